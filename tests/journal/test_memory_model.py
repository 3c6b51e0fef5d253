"""The journal in memory beside a model of it that forgets nothing."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from asgi_audit.errors import JournalFull
from asgi_audit.journal import MemoryJournal
from asgi_audit.journal.memory import _ENTRY_OVERHEAD
from asgi_audit.record import Record, encode
from tests.contracts.journal_contract import Listening
from tests.samples import record

LANES = ("first", "second", "third")
CAPACITY = 2**14


def size_of(each: Record) -> int:
    """What it takes up."""
    return len(encode(each)) + _ENTRY_OVERHEAD


class Model(RuleBasedStateMachine):
    """Positions are indexes into `all`, which keeps everything."""

    @initialize()
    def begin(self) -> None:
        self.journal = MemoryJournal(max_bytes=CAPACITY)
        self.journal.attach(LANES, Listening())
        self.forget()

    def forget(self) -> None:
        self.all: list[Record] = []
        self.held: dict[str, Record] = {}
        self.stored: dict[str, set[int]] = {lane: set() for lane in LANES}
        self.given_up = dict.fromkeys(LANES, 0)

    def needed(self) -> int:
        """The bytes that can't be let go of: what the primary lane has not stored, and what is held."""
        waiting = self.all[self.journal.progress("first").acknowledged :]
        return sum(map(size_of, [*waiting, *self.held.values()]))

    @rule(length=st.integers(0, 3000))
    def append(self, length: int) -> None:
        """Refused only if what can't be let go of leaves no room."""
        each = record(reason="x" * length)
        fits = self.needed() + size_of(each) <= CAPACITY
        try:
            self.journal.append(each)
        except JournalFull:
            assert not fits
        else:
            assert fits
            self.all.append(each)

    @rule(length=st.integers(0, 3000))
    def hold(self, length: int) -> None:
        each = record(reason="p" * length)
        fits = self.needed() + size_of(each) <= CAPACITY
        try:
            self.journal.hold(each)
        except JournalFull:
            assert not fits
        else:
            assert fits
            self.held[each.id] = each

    @rule(data=st.data(), length=st.integers(0, 3000))
    def settle(self, data: st.DataObject, length: int) -> None:
        """The final record takes the held one's place, or the held one stays in it."""
        if self.held:
            provisional = self.held.pop(data.draw(st.sampled_from(list(self.held))))
            final = record(id=provisional.id, reason="f" * length)
            fits = self.needed() + size_of(final) <= CAPACITY
            self.journal.append(final)
            self.all.append(final if fits else provisional)

    @rule()
    def promote(self) -> None:
        self.journal.promote()
        self.all += self.held.values()
        self.held.clear()

    @rule(lane=st.sampled_from(LANES), limit=st.integers(1, 8), stored=st.booleans())
    def read(self, lane: str, limit: int, stored: bool) -> None:
        """A batch is what follows, without a gap; perhaps it is stored."""
        batch = self.journal.read(lane, limit)
        progress = self.journal.progress(lane)
        start, end = progress.acknowledged, batch.position
        assert [each.seq for each in batch.records] == list(range(start, end))
        assert [each.id for each in batch.records] == [each.id for each in self.all[start:end]]
        assert [each.reason for each in batch.records] == [each.reason for each in self.all[start:end]]
        assert len(batch.records) == min(limit, len(self.all) - start)
        if stored:
            self.journal.acknowledge(lane, end)
            self.stored[lane] |= set(range(start, end))

    @rule(limit=st.integers(1, 8), stored=st.booleans(), lengths=st.lists(st.integers(0, 3000), max_size=8))
    def read_slowly(self, limit: int, stored: bool, lengths: list[int]) -> None:
        """Others come while a batch is on its way."""
        batch = self.journal.read("second", limit)
        first = self.journal.progress("second").acknowledged
        for length in lengths:
            self.read("first", 8, True)
            self.append(length)
        if stored:
            self.journal.acknowledge("second", batch.position)
            self.stored["second"] |= set(range(first, batch.position))

    @rule()
    def renew(self) -> None:
        self.journal.renew()
        self.forget()

    @invariant()
    def adds_up(self) -> None:
        """Every record is stored, pending or given up, for each lane; the primary one gives up nothing."""
        assert self.journal.held() == self.held.keys()
        for lane in LANES:
            progress = self.journal.progress(lane)
            assert progress.position == len(self.all)
            assert progress.held == len(self.held)
            assert progress.delivered == len(self.stored[lane])
            assert progress.given_up >= self.given_up[lane]
            assert progress.pending >= progress.held
            self.given_up[lane] = progress.given_up
        assert self.given_up["first"] == 0


TestMemoryJournalModel = Model.TestCase
TestMemoryJournalModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
