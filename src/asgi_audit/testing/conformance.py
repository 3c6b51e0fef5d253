"""A test for sinks: whether one keeps what a trail relies on."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from asgi_audit.delivery import Delivery
from asgi_audit.errors import FlushTimeout
from asgi_audit.record import Record
from asgi_audit.sinks import Sink
from asgi_audit.testing.samples import samples
from asgi_audit.trail import AuditTrail

ReadBack: TypeAlias = Callable[[], Awaitable[Sequence[Record]] | Sequence[Record]]


async def check_sink(factory: Callable[[], Sink], read: ReadBack | None = None, *, timeout: float = 10.0) -> None:
    """Check what a trail relies on, with sinks that `factory` makes; raises `AssertionError` and says what is wrong.

    `read` gives what is stored, in any order; without it, it can't be checked that records are stored, and only once.
    `timeout` are the seconds that a trail waits for the sink.
    """
    sink = factory()
    assert isinstance(sink, Sink), f"{sink!r} has not all of open, write and close"
    name = getattr(sink, "name", None)
    assert name is None or (isinstance(name, str) and name), f"name={name!r} is not a text that names the sink"
    assert getattr(factory(), "name", None) == name, "the name is not stable: another sink of the same kind has another"
    stored = await _check_batches(sink, read)
    stored += await _check_neighbours(factory(), factory(), read, stored)
    stored += await _check_cancelling(factory(), read, stored)
    await _check_delivery(factory(), read, stored, timeout)


async def _check_batches(sink: Sink, read: ReadBack | None) -> list[Record]:
    """Batches that are empty, come again, or overlap."""
    first, second = samples(3), samples(50)
    await _call("open", sink.open)
    await _call("write of an empty batch", lambda: sink.write([]))
    await _call("write", lambda: sink.write(first))
    await _stored(read, first, "after the first batch")
    await _call("write of the same batch again", lambda: sink.write(first))
    await _stored(read, first, "after the same batch again: write must be idempotent by record.id")
    await _call("write of old and new records", lambda: sink.write(first[1:] + second))
    await _stored(read, first + second, "after a batch of old and new records")
    await _call("close", sink.close)
    return first + second


async def _check_neighbours(one: Sink, other: Sink, read: ReadBack | None, before: list[Record]) -> list[Record]:
    """Each worker process has a sink of its own onto the same place."""
    here, there = samples(20), samples(20)
    await _call("open of another sink", one.open)
    await _call("open of a second sink beside it", other.open)
    await asyncio.gather(
        _call("write beside another sink", lambda: one.write(here)),
        _call("write beside another sink", lambda: other.write(there)),
    )
    await _call("close of another sink", one.close)
    await _stored(read, before + here + there, "after two sinks have written at once")
    await _call("close of a second sink", other.close)
    return here + there


async def _check_cancelling(sink: Sink, read: ReadBack | None, before: list[Record]) -> list[Record]:
    """A call that takes too long is cancelled; unless it returns all the same, its batch comes again."""
    batch = samples(20)
    await _call("open of another sink", sink.open)
    writing = asyncio.ensure_future(_call("write that is cancelled", lambda: sink.write(batch)))
    await asyncio.sleep(0)  # it has begun, and waits for something unless it is done
    writing.cancel()
    await asyncio.wait({writing})
    if writing.cancelled() or writing.exception() is not None:
        await _call("write of a batch whose first write was cancelled", lambda: sink.write(batch))
    await _stored(read, before + batch, "after a write was cancelled and repeated")
    await _call("close after a cancelled write", sink.close)
    return batch


async def _check_delivery(sink: Sink, read: ReadBack | None, before: list[Record], timeout: float) -> None:
    """A trail delivers from a thread with an event loop, closes the sink, and opens the same one again in another."""
    watched = _Watched(sink)
    trail = AuditTrail(watched, journal=None, delivery=Delivery(deadline=timeout))
    ids = [record.id for record in before]
    for when in ("a trail delivered", "a trail opened the same sink again, in another event loop"):
        ids += [trail.event("check.sink") for _ in range(20)]
        try:
            await trail.aflush(timeout)
        except FlushTimeout as error:
            raise AssertionError(f"when {when}: {error}") from None
        finally:
            await trail.aclose(timeout)
        assert watched.complaint is None, f"when {when}: {watched.complaint}"
        await _are_stored(read, ids, f"after {when}")


class _Watched:
    """The sink in a trail's hands. What it raises is kept, and not tried again."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.name = getattr(sink, "name", None) or type(sink).__name__
        self.complaint: AssertionError | None = None

    async def open(self) -> None:
        await self._watch("open", self._sink.open)

    async def write(self, records: Sequence[Record]) -> None:
        await self._watch("write", lambda: self._sink.write(records))

    async def close(self) -> None:
        await self._watch("close", self._sink.close)

    async def _watch(self, what: str, method: Callable[[], Awaitable[None]]) -> None:
        try:
            await _call(what, method)
        except AssertionError as complaint:
            self.complaint = self.complaint or complaint


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
    await _are_stored(read, [record.id for record in expected], when)


async def _are_stored(read: ReadBack | None, expected: list[str], when: str) -> None:
    if read is None:
        return
    found = read()
    stored = sorted(record.id for record in (await found if isinstance(found, Awaitable) else found))
    missing, extra = sorted(set(expected) - set(stored)), len(stored) - len(set(stored))
    assert not missing, f"{when}, {len(missing)} of {len(expected)} records are missing: {missing[0]}, …"
    assert not extra, f"{when}, {extra} records are stored more than once"
