"""What every sink does that keeps its records where they can be read again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec
import pytest

from asgi_audit.record import Actor, Record, Request, Target
from asgi_audit.sinks.base import Sink
from tests.samples import record, records

#: Reads back everything that a sink has stored, oldest id first.
Reader: TypeAlias = Callable[[], Awaitable[Sequence[Record]]]
Maker: TypeAlias = Callable[[], Sink]

_HOSTILE = (
    "\\x00",
    "\\u202e",
    "\\n",
    "'; DROP TABLE audit_records; --",
    "<b>",
    "%s",
    "{}",
    "\U0001f600",
    "ｅ́",
    '"',
    "\\N",
    "\\.",
)


def without_salts(them: Sequence[Record]) -> list[Record]:
    """The records as they are compared: salts belong to how a sink stores them."""
    return [msgspec.structs.replace(it, salts=None) for it in them]


@pytest.mark.asyncio
class SinkContract:
    """Subclass it with the fixtures `make` (a new sink onto the same place at each call) and `read`."""

    @pytest.fixture
    def make(self) -> Maker:
        raise NotImplementedError

    @pytest.fixture
    def read(self) -> Reader:
        raise NotImplementedError

    async def test_stores_what_it_is_given(self, make: Maker, read: Reader) -> None:
        """When `write` has returned, every record is stored as it was."""
        batch = records(20)
        sink = make()
        await sink.open()
        await sink.write(batch)
        assert without_salts(await read()) == without_salts(batch)
        await sink.close()

    async def test_takes_an_empty_batch(self, make: Maker, read: Reader) -> None:
        """Nothing to write is nothing to do."""
        sink = make()
        await sink.open()
        await sink.write([])
        await sink.close()

    async def test_batches_follow_each_other(self, make: Maker, read: Reader) -> None:
        """Batches of any size stand in the order in which they were written."""
        sink = make()
        await sink.open()
        batches = [records(size) for size in (1, 7, 1, 300)]
        for batch in batches:
            await sink.write(batch)
        await sink.close()
        assert without_salts(await read()) == without_salts([it for batch in batches for it in batch])

    async def test_takes_a_big_batch(self, make: Maker, read: Reader) -> None:
        """Five thousand records at once."""
        batch = records(5000)
        sink = make()
        await sink.open()
        await sink.write(batch)
        await sink.close()
        assert [it.id for it in await read()] == [it.id for it in batch]

    async def test_goes_on_after_it_was_closed(self, make: Maker, read: Reader) -> None:
        """A new sink onto the same place adds to what is there."""
        first, second = records(3), records(3)
        for batch in (first, second):
            sink = make()
            await sink.open()
            await sink.write(batch)
            await sink.close()
        assert without_salts(await read()) == without_salts(first + second)

    async def test_may_be_opened_again(self, make: Maker, read: Reader) -> None:
        """`open` on an open sink begins anew and loses nothing."""
        sink = make()
        first, second = records(3), records(3)
        await sink.open()
        await sink.write(first)
        await sink.open()
        await sink.write(second)
        await sink.close()
        assert without_salts(await read()) == without_salts(first + second)

    async def test_hostile_text_stays_text(self, make: Maker, read: Reader) -> None:
        """What the escape lets through is stored as it is, in every place."""
        batch = [
            record(
                action=text,
                actor=Actor(text, name=text),
                targets=[Target(text, type=text)],
                request=Request(path=text, method=text, query=text, headers=[(text, text)]),
                reason=text,
                tenant=text,
                data={text: [text, {text: None}]},
            )
            for text in _HOSTILE
        ]
        sink = make()
        await sink.open()
        await sink.write(batch)
        await sink.close()
        assert without_salts(await read()) == without_salts(batch)

    async def test_long_text_stays_whole(self, make: Maker, read: Reader) -> None:
        """No field is too long for the store, whatever it filters by."""
        long: Any = "ä\U0001f600" * 20_000
        batch = [
            record(
                action=long,
                actor=Actor(long, type=long),
                targets=[Target(long, type=long)],
                request=Request(path=long, method=long, route=long, id=long, trace_id=long),
                tenant=long,
                service=long,
            )
        ]
        sink = make()
        await sink.open()
        await sink.write(batch)
        await sink.close()
        assert without_salts(await read()) == without_salts(batch)


@pytest.mark.asyncio
class IdempotentSinkContract(SinkContract):
    """What a sink does that knows what it has stored already."""

    async def test_a_batch_that_comes_again_changes_nothing(self, make: Maker, read: Reader) -> None:
        """Whole, in part, or with new records among the old: one row per record."""
        old, new = records(6), records(4)
        sink = make()
        await sink.open()
        await sink.write(old)
        await sink.write(old)
        await sink.write(old[3:] + new)
        await sink.close()
        assert without_salts(await read()) == without_salts(old + new)

    async def test_a_record_may_stand_in_a_batch_twice(self, make: Maker, read: Reader) -> None:
        """It is stored once."""
        one, two = records(2)
        sink = make()
        await sink.open()
        await sink.write([one, one, two, one])
        await sink.close()
        assert without_salts(await read()) == without_salts([one, two])

    async def test_sinks_write_side_by_side(self, make: Maker, read: Reader) -> None:
        """Several workers with one store, each delivering its own records and some of another's."""
        batches = [records(50) for _ in range(4)]

        async def work(number: int) -> None:
            sink = make()
            await sink.open()
            for start in range(0, 50, 10):
                await sink.write(batches[number][start : start + 10])
            await sink.write(batches[number - 1])
            await sink.close()

        await asyncio.gather(*(work(number) for number in range(4)))
        assert without_salts(await read()) == without_salts([it for batch in batches for it in batch])
