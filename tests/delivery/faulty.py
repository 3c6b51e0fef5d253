"""A sink that does as it is told, and what is needed to tell it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from asgi_audit.delivery import Delivery
from asgi_audit.errors import RecordRejected
from asgi_audit.record import Record
from asgi_audit.testing import MemorySink

PATIENCE = 20.0  # seconds until a test gives up

#: No waiting where a test would have to wait, too.
FAST = Delivery(linger=0.0, deadline=PATIENCE, retry_first=0.001, retry_most=0.002)
IMPATIENT = Delivery(linger=0.0, deadline=0.02, retry_first=0.001, retry_most=0.002)

Behaviour: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]


async def fine(records: Sequence[Record]) -> None:
    """All is well."""


async def failing(records: Sequence[Record]) -> None:
    """As a server that is down."""
    raise ConnectionError("nobody listens")


async def hanging(records: Sequence[Record]) -> None:
    """Until cancelled."""
    await asyncio.Event().wait()


async def rejecting(records: Sequence[Record]) -> None:
    """Everything, stubs as well."""
    raise RecordRejected("never")


def rejecting_some(*actions: str) -> Behaviour:
    """Records with these actions; their stubs have another."""

    async def behave(records: Sequence[Record]) -> None:
        if any(record.action in actions for record in records):
            raise RecordRejected("no such action")

    return behave


class Stubborn:
    """Hangs and takes no notice of its cancellation, until released; then it goes well."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.released = threading.Event()

    async def __call__(self, records: Sequence[Record]) -> None:
        while not self.released.is_set():
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                self.cancelled.set()


class Faulty:
    """Keeps records when its behaviour allows it; `behave`, `opening` and `closing` may be set from any thread."""

    volatile = True  # so that a trail's journal is in memory unless the test says otherwise

    def __init__(self, behave: Behaviour = fine, name: str = "faulty") -> None:
        self.name = name
        self.behave = behave
        self.opening: Behaviour = fine
        self.closing: Behaviour = fine
        self.kept = MemorySink()
        self.batches: list[list[str]] = []  # the actions of each batch that came
        self.most_at_once = 0
        self.opened = self.closed = 0
        self._inside = 0
        self._changed = threading.Condition()

    @property
    def actions(self) -> list[str]:
        """The actions of the application's records that were kept, in their order; a stub's is `rejected`."""
        return [record.action for record in self.kept.records]

    async def open(self) -> None:
        await self._call(self.opening, ())
        self.opened += 1

    async def write(self, records: Sequence[Record]) -> None:
        with self._changed:
            self.batches.append([record.action for record in records])
            self._changed.notify_all()
        await self._call(self.behave, records)
        await self.kept.write(records)
        with self._changed:
            self._changed.notify_all()

    async def close(self) -> None:
        await self._call(self.closing, ())
        self.closed += 1

    def wait(self, condition: Callable[[], bool]) -> None:
        """Block until it holds; it is asked when a batch comes, and when one was kept."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE)

    def wait_for_batches(self, more: int) -> None:
        """Block until so many more batches have come: all before the last have been dealt with."""
        with self._changed:
            target = len(self.batches) + more
        self.wait(lambda: len(self.batches) >= target)

    async def _call(self, behave: Behaviour, records: Sequence[Record]) -> None:
        self._inside += 1
        self.most_at_once = max(self.most_at_once, self._inside)
        try:
            await behave(records)
        finally:
            self._inside -= 1
