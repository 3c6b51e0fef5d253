"""Sinks for tests, and a test for sinks."""

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from asgi_audit.ids import IdSource
from asgi_audit.record import APPLICATION_KINDS, VERSION, Actor, Kind, Outcome, Record, Target
from asgi_audit.sinks import Sink

ReadBack: TypeAlias = Callable[[], Awaitable[Sequence[Record]] | Sequence[Record]]


class MemorySink:
    """Keeps records in lists. `records` are what the application did, `everything` includes what the trail says."""

    name = "memory"
    volatile = True

    def __init__(self) -> None:
        self.everything: list[Record] = []
        self._known: set[str] = set()

    @property
    def records(self) -> list[Record]:
        """The records of requests, connections and events."""
        return [record for record in self.everything if record.kind in APPLICATION_KINDS]

    async def open(self) -> None:
        """Nothing is to be done."""

    async def write(self, records: Sequence[Record]) -> None:
        """Keep those that are new."""
        for record in records:
            if record.id not in self._known:
                self._known.add(record.id)
                self.everything.append(record)

    async def close(self) -> None:
        """Nothing is to be done; the records stay."""


class FailingSink:
    """Fails as long as `error` is set, then keeps records as `MemorySink` does."""

    name = "failing"
    volatile = True

    def __init__(self, error: Exception | None = None) -> None:
        self.error: Exception | None = ConnectionError("the sink is down") if error is None else error
        self.kept = MemorySink()
        self.attempts = 0

    async def open(self) -> None:
        """Nothing is to be done."""

    async def write(self, records: Sequence[Record]) -> None:
        """Fail, or keep."""
        self.attempts += 1
        if self.error is not None:
            raise self.error
        await self.kept.write(records)

    async def close(self) -> None:
        """Nothing is to be done."""


async def check_sink(factory: Callable[[], Sink], read: ReadBack | None = None) -> None:
    """Check what a trail relies on, with sinks that `factory` makes; raises `AssertionError` and says what is wrong.

    `read` gives what is stored, in any order; without it, it can't be checked that records are stored, and only once.
    """
    sink = factory()
    assert isinstance(sink, Sink), f"{sink!r} has not all of open, write and close"
    name = getattr(sink, "name", None)
    assert name is None or (isinstance(name, str) and name), f"name={name!r} is not a text that names the sink"
    assert getattr(factory(), "name", None) == name, "the name is not stable: another sink of the same kind has another"
    first, second, third = _samples(3), _samples(50), _samples(1)
    await _call("open", sink.open)
    await _call("write of an empty batch", lambda: sink.write([]))
    await _call("write", lambda: sink.write(first))
    await _stored(read, first, "after the first batch")
    await _call("write of the same batch again", lambda: sink.write(first))
    await _stored(read, first, "after the same batch again: write must be idempotent by record.id")
    await _call("write of old and new records", lambda: sink.write(first[1:] + second))
    await _stored(read, first + second, "after a batch of old and new records")
    await _call("close", sink.close)
    again = factory()
    await _call("open of another sink", again.open)
    await _call("write to another sink", lambda: again.write(third))
    await _stored(read, first + second + third, "after another sink has written")
    await _call("close of another sink", again.close)


async def _call(what: str, method: Callable[[], Awaitable[None]]) -> None:
    try:
        work = method()
    except Exception as error:
        raise AssertionError(f"{what} raised {error!r}") from error
    assert isinstance(work, Awaitable), f"{what} returned {work!r}, which can't be awaited: write `async def`"
    try:
        await work
    except Exception as error:
        raise AssertionError(f"{what} raised {error!r}") from error


async def _stored(read: ReadBack | None, expected: list[Record], when: str) -> None:
    if read is None:
        return
    found = read()
    stored = sorted(record.id for record in (await found if isinstance(found, Awaitable) else found))
    ids = sorted(record.id for record in expected)
    missing, extra = sorted(set(ids) - set(stored)), len(stored) - len(set(stored))
    assert not missing, f"{when}, {len(missing)} of {len(ids)} records are missing: {missing[0]}, …"
    assert not extra, f"{when}, {extra} records are stored more than once"


def _samples(count: int) -> list[Record]:
    source, writer = IdSource(), os.urandom(16).hex()
    return [
        Record(
            v=VERSION,
            id=source.new_id(),
            writer=writer,
            seq=number,
            kind=Kind.EVENT,
            time=datetime.now(UTC),
            action="check.sink",
            outcome=Outcome.SUCCESS,
            actor=Actor("42", type="user", name="Ada \U0001f600"),
            targets=[Target("7", type="user")],
            reason='it\'s a "test", 100 %; \\x00 <b>',
            data={"number": number, "nested": {"list": [1, 2.5, None, True]}},
            salts=source.new_salts(),
        )
        for number in range(count)
    ]
