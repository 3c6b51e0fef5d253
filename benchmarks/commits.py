"""The least that a group commit can be: the measure for ours. And clients that wait for it."""

import asyncio
import os
import random
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from benchmarks.traffic import BODY, bare, receive, scope, send


class GroupCommit:
    """Lines in a preallocated file. One thread syncs it, for all who have written meanwhile, and wakes them at once."""

    def __init__(self, path: Path, size: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.posix_fallocate(self._file, 0, size)
        os.fsync(self._file)
        self._size = size
        self._end = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._bell: SimpleQueue[asyncio.AbstractEventLoop | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Write a line, which nobody waits for; from the beginning again where the file is full."""
        if self._end + len(line) > self._size:
            self._end = 0
        self._end += os.pwrite(self._file, line, self._end)

    async def commit(self, line: bytes) -> None:
        """Write a line, and wait until it is on the disk."""
        self.write(line)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append(done)
        self._bell.put(loop)
        await done

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bell.put(None)
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while (loop := self._bell.get()) is not None:
            waiting, self._waiting = self._waiting, []
            if waiting:
                os.fdatasync(self._file)
                loop.call_soon_threadsafe(_wake, waiting)


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for done in waiting:
        done.set_result(None)


class Working:
    """The bare application after a pause; notes when it ends."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._pause:
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the load

        async def timed(message: Message) -> None:
            if message is BODY:
                scope["state"]["ended"] = time.perf_counter()
            await send(message)

        await bare(scope, receive, timed)


class Committing:
    """Has as much on the disk as a trail has, by a bare group commit: a line before, and one that is waited for."""

    def __init__(self, app: ASGIApp, commits: GroupCommit, lines: tuple[bytes, bytes]) -> None:
        self._app = app
        self._commits = commits
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def committed(message: Message) -> None:
            if message is BODY:
                await self._commits.commit(self._lines[1])
            await send(message)

        self._commits.write(self._lines[0])
        await self._app(scope, receive, committed)


async def load(app: ASGIApp, concurrent: int, requests: int) -> list[float]:
    """How long the ends of so many requests took, in microseconds."""
    waits: list[float] = []

    async def client(count: int) -> None:
        for _ in range(count):
            request = scope("POST")

            async def ended(message: Message, request: Scope = request) -> None:
                if message is BODY:
                    waits.append((time.perf_counter() - request["state"]["ended"]) * 1e6)
                await send(message)

            await app(request, receive, ended)

    await asyncio.gather(*(client(max(requests // concurrent, 1)) for _ in range(concurrent)))
    return waits
