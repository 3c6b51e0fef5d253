"""SQLite and forks: at the moment of a fork, no connection may be open.

SQLite remembers per process which locks it holds. A child inherits that memory with every open connection, but not the
locks: it would wait for itself for ever, or believe itself alone (sqlite.org/howtocorrupt.html, "carrying an open
database connection across a fork"). So the process that is about to fork closes its connection first.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final

from asgi_audit import process

_PATIENCE: Final = 5.0  # seconds that a fork waits for a batch under way
_BLINK: Final = 0.001  # seconds between two looks whether a fork, or a batch, is over


class Intermission:
    """`async with` it to work with a connection; before each fork `close` is called, when no work is under way."""

    _loop: asyncio.AbstractEventLoop | None

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._renew()
        process.on_fork(self._renew)
        process.around_fork(self._begin, self._end)

    async def __aenter__(self) -> None:
        while not self._enter():  # noqa: ASYNC110 - what it waits for happens in another thread
            await asyncio.sleep(_BLINK)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._works -= 1

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._forks = 0
        self._works = 0
        self._thread = 0
        self._loop = None

    def _enter(self) -> bool:
        with self._lock:
            if self._forks:
                return False
            self._works += 1
            self._loop = asyncio.get_running_loop()
            self._thread = threading.get_ident()
            return True

    def _begin(self) -> None:
        """Let no work begin before `_end`, and wait until the connection is closed."""
        with self._lock:
            self._forks += 1
            loop = self._loop
        if loop is None or loop.is_closed() or threading.get_ident() == self._thread:
            return  # nothing is open, or a sink forks, which can't wait for itself
        closed = threading.Event()
        pause = self._pause()
        try:
            asyncio.run_coroutine_threadsafe(pause, loop).add_done_callback(lambda _: closed.set())
        except RuntimeError:  # the loop has been closed just now
            pause.close()
            return
        closed.wait(_PATIENCE)

    def _end(self) -> None:
        with self._lock:
            self._forks -= 1

    async def _pause(self) -> None:
        while self._works:  # noqa: ASYNC110 - at most one batch, and only before a fork
            await asyncio.sleep(_BLINK)
        await self._close()
