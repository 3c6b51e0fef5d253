"""Anchors are asked before the database and told last; what they can't do stops nothing."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import Sealer, inquiry
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change, read, sound

pytestmark = pytest.mark.asyncio


class Faulty:
    """Keeps checkpoints, unless it is told to raise or to hang."""

    def __init__(self, name: str = "faulty") -> None:
        self.name = name
        self.kept: list[str] = []
        self.asking: BaseException | None = None
        self.telling: BaseException | None = None
        self.hanging = False
        self.answer: Any = None

    async def publish(self, checkpoint: str) -> None:
        await self._behave(self.telling)
        self.kept.append(checkpoint)

    async def newest(self, log: str) -> str | None:
        await self._behave(self.asking)
        answer: str | None = self.answer or next(iter(reversed(self.kept)), None)
        return answer

    def read(self) -> Iterator[str]:
        yield from self.kept

    async def _behave(self, error: BaseException | None) -> None:
        if self.hanging:
            await asyncio.Event().wait()
        if error is not None:
            raise error


async def seal_one(log: Log, writer: Writer, *anchors: Any) -> list[str]:
    """Store a record and seal it; what the anchors did not do."""
    await log.write([writer.record(BEGINNING)])
    sealed = await Sealer(log.url, keys=log.keys, anchors=anchors).seal()
    assert (sealed.records, sealed.gave_way) == (1, False)
    return sealed.troubles


async def test_an_anchor_that_was_away_gets_the_newest_checkpoint(log: Log, writer: Writer) -> None:
    """Not those that it has missed; and also when there is nothing new to seal."""
    anchor = Faulty()
    assert await seal_one(log, writer, anchor, log.anchor) == []
    anchor.telling = OSError("the disk is full")
    for _ in range(2):
        told = await seal_one(log, writer, anchor, log.anchor)
        assert told == ["faulty did not take the checkpoint: the disk is full"]
    anchor.telling = None
    sealed = await Sealer(log.url, keys=log.keys, anchors=[anchor, log.anchor]).seal()
    assert (sealed.records, sealed.troubles) == (0, [])
    notes = (await sound(log.url)).notes
    assert anchor.kept == [notes[0], notes[2]]
    assert list(FileAnchor(log.anchor).read()) == notes
    assert (await log.verify()).verdict is Verdict.PASS


async def test_an_anchor_that_can_not_be_read_is_still_told(log: Log, writer: Writer) -> None:
    """What it knows is unknown; the others are held against the database as ever."""
    anchor = Faulty()
    anchor.asking = PermissionError("not yours to read")
    for _ in range(2):
        assert await seal_one(log, writer, anchor) == ["faulty can't be read: not yours to read"]
    assert anchor.kept == (await sound(log.url)).notes


async def test_an_anchor_that_hangs_is_given_up(log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time; the others are asked and told all the same."""
    monkeypatch.setattr(inquiry, "_PATIENCE", 0.05)
    anchor = Faulty()
    anchor.hanging = True
    for _ in range(2):
        told = await seal_one(log, writer, anchor, log.anchor)
        assert told == ["faulty did not take the checkpoint: no answer within 0.05 s"]
    assert list(FileAnchor(log.anchor).read()) == (await sound(log.url)).notes
    anchor.hanging = False
    assert await seal_one(log, writer, anchor) == []
    assert anchor.kept == (await sound(log.url)).notes[-1:]


async def test_anchors_do_not_wait_for_each_other(log: Log, writer: Writer) -> None:
    """All are asked at once, and told at once: here each answers when the other has been asked."""
    barrier = asyncio.Barrier(2)

    class Meeting(Faulty):
        async def _behave(self, error: BaseException | None) -> None:
            async with asyncio.timeout(20):
                await barrier.wait()

    assert await seal_one(log, writer, Meeting(), Meeting()) == []


@pytest.mark.parametrize("error", [RuntimeError("canary"), KeyError("canary"), UnicodeError("canary")])
async def test_an_anchor_may_raise_anything(log: Log, writer: Writer, error: Exception) -> None:
    """Of what no anchor should raise only the kind is said: its words may hold secrets."""
    anchor = Faulty()
    anchor.asking = error
    assert await seal_one(log, writer, anchor) == [f"faulty can't be read: {type(error).__name__}"]
    anchor.asking, anchor.telling = None, error
    assert await seal_one(log, writer, anchor) == [f"faulty did not take the checkpoint: {type(error).__name__}"]
    await sound(log.url)


@pytest.mark.parametrize("answer", ["all is well", "a\n1\nAAAA\n\n", 7])
async def test_an_anchor_that_talks_nonsense_is_told_the_truth(log: Log, writer: Writer, answer: Any) -> None:
    """It knows nothing that could be contradicted."""
    anchor = Faulty()
    anchor.answer = answer
    [trouble] = await seal_one(log, writer, anchor)
    assert trouble.startswith("faulty can't be read: ")
    assert anchor.kept == (await sound(log.url)).notes


async def test_an_anchor_may_know_a_checkpoint_that_the_database_has_lost(log: Log, writer: Writer) -> None:
    """Of the leaves themselves none is missing, so the tree is the same: the same words are signed again."""
    await seal_one(log, writer, log.anchor)
    await seal_one(log, writer, log.anchor)
    before = await sound(log.url)
    await change(log.url, "DELETE FROM audit_checkpoints WHERE size = 2")
    assert await log.seal() == 0
    assert (await read(log.url)).notes == before.notes
    assert list(FileAnchor(log.anchor).read()) == before.notes
    await change(log.url, "DELETE FROM audit_checkpoints WHERE size = 2")
    assert await seal_one(log, writer, log.anchor) == []
    assert (await log.verify()).verdict is Verdict.TAMPERED  # for the database lacks what the anchor has


async def test_an_anchor_may_be_behind(log: Log, writer: Writer) -> None:
    """It was told by a sealer that has not seen it since; what it knows is the beginning of what there is."""
    anchor = Faulty()
    for anchors in ([anchor], [], [], [anchor]):
        assert await seal_one(log, writer, *anchors) == []
    notes = (await sound(log.url)).notes
    assert anchor.kept == [notes[0], notes[3]]


async def test_what_is_signed_while_an_anchor_is_asked_is_no_contradiction(log: Log, writer: Writer) -> None:
    """It is asked first, and the database is read after it: that can only know more."""
    other = Faulty()

    class Slow(Faulty):
        async def newest(self, name: str) -> str | None:
            assert await seal_one(log, writer, other) == []
            return await other.newest(name)

    await seal_one(log, writer, other)
    sealer = Sealer(log.url, keys=log.keys, anchors=[Slow()])
    for _ in range(2):
        assert (await sealer.seal()).note == other.kept[-1]
    assert (await sound(log.url)).notes == other.kept


async def test_nothing_is_held_open_while_anchors_take_their_time(log: Log, writer: Writer) -> None:
    """No transaction, in which the database could not clean up, and no connection, for which a fork would wait."""
    opened: list[Any] = []
    seen: list[int] = []

    class Looking(Faulty):
        async def _behave(self, error: BaseException | None) -> None:
            seen.append(len(opened))

    await log.write([writer.record(BEGINNING)])
    events = {"connect": lambda dbapi, _: opened.append(dbapi), "close": lambda dbapi, _: opened.remove(dbapi)}
    for name, hear in events.items():
        event.listen(Pool, name, hear)
    try:
        sealer = Sealer(log.url, keys=log.keys, anchors=[Looking()])
        for expected in (1, 0):
            assert (await sealer.seal()).records == expected
    finally:
        for name, hear in events.items():
            event.remove(Pool, name, hear)
    assert seen == [0, 0, 0]
    assert opened == []
