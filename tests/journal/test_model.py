"""Writers that live, die, are corrupted and inherited, against a model in plain Python."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asgi_audit.errors import JournalFull
from asgi_audit.journal.backlog import Backlog
from asgi_audit.record import Kind, Outcome, Record
from tests.contracts.journal_contract import Listening
from tests.journal.succession import LANES, begin, closes, content_of, delivered, die, losses
from tests.samples import record

_STEPS = 50  # of an example, at most
_FULL_STEPS = 20_000  # of all examples

LENGTHS = st.sampled_from([0, 100, 3000])


@dataclass
class Writer:
    """What one writer was given, and what became of it."""

    name: str
    records: list[Record] = field(default_factory=list)  # as appended, by `seq`
    running: dict[str, Record] = field(default_factory=dict)  # intents
    held: dict[str, Record] = field(default_factory=dict)
    stored: dict[str, set[int]] = field(default_factory=lambda: {lane: set() for lane in LANES})
    began: set[str] = field(default_factory=set)  # all that ever was held or intended
    corrupted: bool = False
    closed: bool = False  # it has said once that it had ended


class Model(RuleBasedStateMachine):
    """One process at a time, in one place. Each record is stored once by each lane, or is said to be lost."""

    steps = 0

    @initialize(fsync=st.sampled_from(["never", "interval", "always"]))
    def start(self, fsync: str) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.journal = begin(self.folder / "place", fsync=fsync, max_bytes=2**16)
        self.writer = Writer(self.journal.writer)
        self.dead: dict[str, Writer] = {}

    def unheld(self) -> list[str]:
        """Intents of requests that have come to no end yet."""
        return [each for each in self.writer.running if each not in self.writer.held]

    @rule(length=LENGTHS, with_intent=st.booleans())
    def append(self, length: int, with_intent: bool) -> None:
        """It has the next `seq`, and its intent is fulfilled, if there was room; else the journal is as before."""
        intent = next(iter(self.unheld()), None) if with_intent else None
        each = record(reason="x" * length, **({"id": intent} if intent else {}))
        try:
            self.journal.append(each, intent)
        except JournalFull:
            pass
        else:
            self.writer.records.append(each)
        self.writer.running.pop(intent or "", None)

    @rule(length=LENGTHS)
    def intend(self, length: int) -> None:
        each = record(outcome=None, reason="i" * length)
        try:
            self.journal.intend(each)
        except JournalFull:
            return
        self.writer.running[each.id] = each
        self.writer.began.add(each.id)

    @precondition(lambda self: self.unheld())
    @rule()
    def cancel(self) -> None:
        intent = self.unheld()[0]
        self.journal.cancel(intent)
        del self.writer.running[intent]

    @rule(length=LENGTHS, with_intent=st.booleans())
    def hold(self, length: int, with_intent: bool) -> None:
        """A provisional record of a request that runs, or of one without an intent."""
        intent = next(iter(self.unheld()), None) if with_intent else None
        each = record(reason="p" * length, **({"id": intent} if intent else {}))
        try:
            self.journal.hold(each, intent)
        except JournalFull:
            return
        self.writer.held[each.id] = each
        self.writer.began.add(each.id)

    @precondition(lambda self: self.writer.held)
    @rule(length=LENGTHS)
    def settle(self, length: int) -> None:
        """The final record, or for want of room the provisional one, takes the next `seq`."""
        provisional = self.writer.held.pop(next(iter(self.writer.held)))
        self.writer.running.pop(provisional.id, None)
        self.journal.append(record(id=provisional.id, reason="f" * length))
        self.writer.records.append(provisional)  # by its id, whichever of the two

    @rule()
    def promote(self) -> None:
        self.journal.promote()
        for each in self.writer.held.values():
            self.writer.running.pop(each.id, None)
            self.writer.records.append(each)
        self.writer.held.clear()

    @rule(lane=st.sampled_from(LANES), limit=st.integers(1, 9), stored=st.booleans())
    def read(self, lane: str, limit: int, stored: bool) -> None:
        """What follows, in order; perhaps it is stored. Only what the journal says was given up is missing."""
        self.journal.sync()
        batch = self.journal.read(lane, limit)
        for each in batch.records:
            assert each.writer == self.writer.name
            assert each.id == self.writer.records[each.seq or 0].id
        seqs = [each.seq or 0 for each in batch.records]
        assert seqs == list(range(batch.position - len(seqs), batch.position))
        if stored:
            self.journal.acknowledge(lane, batch.position)
            assert not self.writer.stored[lane] & set(seqs)
            self.writer.stored[lane] |= set(seqs)

    @rule()
    def close(self) -> None:
        """What was delivered leaves nothing behind; the same writer goes on."""
        self.journal.close()
        self.writer.closed = True

    @rule()
    def crash(self) -> None:
        """The process dies, and another one begins."""
        standing = self.journal._log.directory is not None
        die(self.journal)
        if standing:
            self.dead[self.writer.name] = self.writer
        self.writer = Writer(self.journal.writer)

    @precondition(lambda self: self.dead)
    @rule(seed=st.integers(0, 2**32), cut=st.booleans())
    def corrupt(self, seed: int, cut: bool) -> None:
        """A bit of what a dead writer has left falls over, or its end is cut off."""
        chance = Random(seed)  # not hypothesis: how long the files are depends on the ids in them
        dead = self.dead[chance.choice(list(self.dead))]
        segment = chance.choice(sorted((self.folder / "place" / dead.name).glob("*.seg")))
        content = bytearray(content_of(segment)) or bytearray(1)
        at = chance.randrange(len(content))
        if cut:
            del content[at:]
        else:
            content[at] ^= 1 << chance.randrange(8)
        segment.write_bytes(content)
        dead.corrupted = True

    @rule()
    def adopt(self) -> None:
        """All that dead writers have left comes to its end: stored once, or declared."""
        listener = Listening()
        backlog = Backlog(self.folder / "place", LANES, listener)
        backlog.look()
        assert not listener.troubles
        estates = {estate.name: estate for estate in backlog.estates}
        assert estates.keys() <= self.dead.keys()
        for name, dead in self.dead.items():
            for lane in LANES:
                self.compare(dead, lane, delivered(estates[name], lane, 5) if name in estates else [])
        self.dead.clear()
        assert not [name for name in estates if (self.folder / "place" / name).exists()]

    def compare(self, dead: Writer, lane: str, told: list[Record]) -> None:
        """What a lane was told of one dead writer."""
        own = [each for each in told if each.writer == dead.name]
        for each in own:
            assert each.id == dead.records[each.seq or 0].id
        seqs = [each.seq or 0 for each in own]
        assert seqs == sorted(set(seqs))
        assert not dead.stored[lane] & set(seqs)
        added = [each for each in told if each.writer != dead.name]
        assert [each.seq for each in added] == list(range(len(added)))
        interrupted = {each.id for each in added if each.outcome is Outcome.INTERRUPTED}
        promoted = {each.id for each in added if each.kind is Kind.HTTP} - interrupted
        missing = set(range(len(dead.records))) - dead.stored[lane] - set(seqs)
        given_up = {number for loss in losses(told) if loss.get("sink") == lane for number in range(loss["until"])}
        declared = [loss for loss in losses(told) if "sink" not in loss]
        assert len(closes(told)) <= 1
        if dead.corrupted:
            unsaid = missing - given_up
            between = {seq for seq in unsaid if seq < max([*seqs, *dead.stored[lane]], default=0)}
            assert sum(loss["records"] for loss in declared) >= len(between)
            # A close says how many records there were, as far as one knows. What was cut off cleanly behind the end
            # that the writer itself has declared, nobody knows of.
            assert not unsaid or declared or closes(told) or dead.closed
            assert interrupted | promoted <= dead.began
        else:
            assert missing <= given_up
            assert not declared
            assert interrupted == dead.running.keys() - dead.held.keys()
            assert promoted == dead.held.keys()

    @invariant()
    def adds_up(self) -> None:
        """Each lane's account of the living writer."""
        Model.steps += 1
        for lane in LANES:
            progress = self.journal.progress(lane)
            assert progress.position == len(self.writer.records)
            assert progress.held == len(self.writer.held)
            assert progress.delivered == len(self.writer.stored[lane])
        assert self.journal.progress(LANES[0]).given_up == 0

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.adopt()
            die(self.journal)
            shutil.rmtree(self.folder)


def test_writers_agree_with_the_model(full: bool) -> None:
    """In full, in at least 20,000 steps."""
    Model.steps = 0
    run_state_machine_as_test(
        Model, settings=settings(max_examples=1000 if full else 80, stateful_step_count=_STEPS, deadline=None)
    )
    print(f"{Model.steps} steps")
    assert Model.steps >= (_FULL_STEPS if full else 0)
