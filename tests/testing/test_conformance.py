"""The kit for authors of sinks, and the sinks for tests."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from asgi_audit import LoggingSink, Record
from asgi_audit.sinks import FunctionSink
from asgi_audit.testing import FailingSink, MemorySink, check_sink
from tests.samples import records

pytestmark = pytest.mark.asyncio


class Shared(MemorySink):
    """Every one writes to the same place."""

    def __init__(self, place: list[Record]) -> None:
        super().__init__()
        self.everything = place


class Doubling(Shared):
    async def write(self, records: Sequence[Record]) -> None:
        self.everything += records


class Forgetful(Shared):
    async def write(self, records: Sequence[Record]) -> None:
        await super().write(records[:-1])


async def test_a_good_sink_passes() -> None:
    """With and without a way to read back, which may be a plain or a coroutine function."""
    place: list[Record] = []

    async def read() -> list[Record]:
        return place

    await check_sink(lambda: Shared(place))
    place.clear()
    await check_sink(lambda: Shared(place), read)
    place.clear()
    await check_sink(lambda: Shared(place), lambda: place)


async def test_our_own_sinks_pass() -> None:
    """Those that have no place of their own to be read from."""
    await check_sink(LoggingSink)
    await check_sink(lambda: FunctionSink(lambda records: None))


async def test_a_sink_that_is_not_idempotent_is_found() -> None:
    """Delivery is at least once, so the sink has to know what it has."""
    place: list[Record] = []
    with pytest.raises(AssertionError, match=r"idempotent by record\.id, 3 records are stored more than once"):
        await check_sink(lambda: Doubling(place), lambda: place)


async def test_a_sink_that_loses_records_is_found() -> None:
    """A `write` that returns says that all of it is stored."""
    place: list[Record] = []
    with pytest.raises(AssertionError, match="after the first batch, 1 of 3 records are missing"):
        await check_sink(lambda: Forgetful(place), lambda: place)


async def test_a_method_that_is_no_coroutine_is_found() -> None:
    """The message says how to write it."""

    class Plain(MemorySink):
        def write(self, records: Sequence[Record]) -> None:  # type: ignore[override]
            pass

    with pytest.raises(AssertionError, match=r"write of an empty batch returned None, .* write `async def`"):
        await check_sink(Plain)  # type: ignore[arg-type]


async def test_what_a_sink_raises_is_told() -> None:
    """With the step at which it did."""

    class Eager(MemorySink):
        def open(self) -> Any:
            raise OSError("at once")

    class Picky(MemorySink):
        async def write(self, records: Sequence[Record]) -> None:
            records[0]

    with pytest.raises(AssertionError, match=r"open raised OSError\('at once'\)"):
        await check_sink(Eager)
    with pytest.raises(AssertionError, match="write of an empty batch raised IndexError"):
        await check_sink(Picky)


async def test_something_else_than_a_sink_is_found() -> None:
    """Also one whose name is of no use."""

    class Numbered(MemorySink):
        def __init__(self) -> None:
            super().__init__()
            self.name = str(id(self))

    class Nameless(MemorySink):
        name = ""

    with pytest.raises(AssertionError, match="has not all of open, write and close"):
        await check_sink(object)  # type: ignore[arg-type]
    kept: list[Numbered] = []

    def make() -> Numbered:
        kept.append(Numbered())
        return kept[-1]

    with pytest.raises(AssertionError, match="the name is not stable"):
        await check_sink(make)
    with pytest.raises(AssertionError, match="name='' is not a text"):
        await check_sink(Nameless)


async def test_a_sink_that_minds_its_neighbours_is_found() -> None:
    """Each worker process has one, onto the same place."""

    class Alone(MemorySink):
        opened = 0

        async def open(self) -> None:
            if Alone.opened:
                raise OSError("in use")
            Alone.opened += 1

        async def close(self) -> None:
            Alone.opened -= 1

    with pytest.raises(AssertionError, match=r"open of a second sink beside it raised OSError\('in use'\)"):
        await check_sink(Alone)


async def test_a_sink_that_takes_turns_for_granted_is_found() -> None:
    """What one reads, waits, and writes back, another has overtaken."""

    class Overwriting(Shared):
        async def write(self, records: Sequence[Record]) -> None:
            known = {record.id for record in self.everything}
            after = [*self.everything, *(record for record in records if record.id not in known)]
            await asyncio.sleep(0)
            self.everything[:] = after

    place: list[Record] = []
    with pytest.raises(AssertionError, match="after two sinks have written at once, 20 of 93 records are missing"):
        await check_sink(lambda: Overwriting(place), lambda: place)


async def test_a_sink_that_knows_too_early_what_it_has_is_found() -> None:
    """A write that was cancelled has stored nothing, whatever it has noted before."""

    class Hasty(Shared):
        async def write(self, records: Sequence[Record]) -> None:
            new = [record for record in records if record.id not in self._known]
            self._known.update(record.id for record in new)
            await asyncio.sleep(0)
            self.everything += new

    place: list[Record] = []
    with pytest.raises(AssertionError, match="after a write was cancelled and repeated, 20 of 113 records are missing"):
        await check_sink(lambda: Hasty(place), lambda: place)


async def test_a_sink_that_is_spoilt_by_a_cancelled_write_is_found() -> None:
    """The same batch comes again."""

    class Fragile(MemorySink):
        busy = False

        async def write(self, records: Sequence[Record]) -> None:
            assert not self.busy
            self.busy = True
            await asyncio.sleep(0)
            self.busy = False

    with pytest.raises(AssertionError, match="write of a batch whose first write was cancelled raised AssertionError"):
        await check_sink(Fragile)


async def test_a_sink_that_clings_to_a_loop_is_found() -> None:
    """A trail that was closed opens its sinks again, in a new loop; and no sink is made in the loop that it runs in."""

    class Early(MemorySink):
        def __init__(self) -> None:
            super().__init__()
            self.loop = asyncio.get_running_loop()

        async def open(self) -> None:
            if self.loop is not asyncio.get_running_loop():
                raise RuntimeError("another loop")

    class Clinging(MemorySink):
        loop: asyncio.AbstractEventLoop | None = None

        async def write(self, records: Sequence[Record]) -> None:
            self.loop = self.loop or asyncio.get_running_loop()
            if self.loop is not asyncio.get_running_loop():
                raise RuntimeError("another loop")

    with pytest.raises(AssertionError, match="when a trail delivered: open raised RuntimeError"):
        await check_sink(Early)
    with pytest.raises(AssertionError, match="opened the same sink again, in another event loop: write raised Runtime"):
        await check_sink(Clinging)


async def test_a_sink_that_hangs_is_found() -> None:
    """A trail goes on without it, but its records wait."""

    class Hanging(MemorySink):
        async def write(self, records: Sequence[Record]) -> None:
            if records and records[0].action == "trail.open":
                await asyncio.sleep(3600)

    with pytest.raises(AssertionError, match=r"when a trail delivered: after 0\.1 s .* 21 for memory"):
        await check_sink(Hanging, timeout=0.1)


async def test_a_sink_that_expects_ordinary_records_is_found() -> None:
    """Those of the trail itself, of websockets, of what nobody did have much less to say."""

    class Nosy(MemorySink):
        async def write(self, records: Sequence[Record]) -> None:
            for record in records:
                assert record.actor is not None

    with pytest.raises(AssertionError, match="write raised AssertionError"):
        await check_sink(Nosy)


async def test_a_failing_sink_fails_until_it_is_told_otherwise() -> None:
    """For tests of applications: how they do while their trail does not."""
    sink = FailingSink()
    batch = records(2)
    await sink.open()
    with pytest.raises(ConnectionError, match="the sink is down"):
        await sink.write(batch)
    sink.error = None
    await sink.write(batch)
    await sink.close()
    assert sink.attempts == 2
    assert sink.kept.records == batch
    with pytest.raises(ValueError, match="mine"):
        await FailingSink(ValueError("mine")).write(batch)
