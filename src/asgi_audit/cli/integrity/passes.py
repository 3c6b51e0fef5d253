"""Passes of the sealer: what one has done, in words, and one after the other until a signal ends it."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from asgi_audit.cli.counting import some
from asgi_audit.cli.database import Address, using
from asgi_audit.cli.exits import Exit
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.errors import AuditError
from asgi_audit.integrity.note import Note

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def report(sealed: Sealed) -> None:
    """Say what was done."""
    if sealed.gave_way:
        print("Another sealer is at work on this database; this one has given way.", flush=True)
    elif sealed.note is None:
        print("Nothing is stored yet, so there is nothing to seal.", flush=True)
    else:
        names = ", ".join(each.name for each in Note.parse(sealed.note).signatures)
        how = f"signed by {names}" if names else "not signed (--key)"
        print(f"Sealed {some(sealed.records, 'record')}; the tree has {sealed.size:,}, {how}.", flush=True)


def complain(trouble: str) -> None:
    """Say what went wrong."""
    print(f"asgi-audit: {trouble}", file=sys.stderr, flush=True)


class Passes:
    """Seals again and again. What goes wrong is said when it begins, and not every few seconds."""

    def __init__(self, url: Address, seal: Callable[[], Awaitable[Sealed]]) -> None:
        self._url = url
        self._seal = seal
        self._ended = asyncio.Event()
        self._records = 0
        self._gave_way = False
        self._trouble = ""

    async def run(self, every: float) -> int:
        """Until a signal comes; a pass that has begun is finished then, unless there is a second signal."""
        for number in _SIGNALS:
            with suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt there
                asyncio.get_running_loop().add_signal_handler(number, self._end)
        while not self._ended.is_set():
            await self._pass()
            with suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._ended.wait()
        print(f"Ended; {some(self._records, 'record')} sealed.", flush=True)
        return Exit.DATABASE if self._trouble else Exit.OK

    def _end(self) -> None:
        self._ended.set()
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    async def _pass(self) -> None:
        try:
            with using(self._url):
                sealed = await self._seal()
        except AuditError as error:
            self._remember(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next pass tries again
            self._remember(f"{type(error).__name__}: {error}".partition("\n")[0])
        else:
            if sealed.records or sealed.gave_way != self._gave_way or (self._trouble and not sealed.troubles):
                report(sealed)
            self._records += sealed.records
            self._gave_way = sealed.gave_way
            self._remember("; ".join(sealed.troubles))

    def _remember(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            complain(trouble)
        self._trouble = trouble
