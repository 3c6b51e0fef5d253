"""What every journal does, whatever it is made of."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import pytest

from asgi_audit.errors import ConfigurationError, JournalFull
from asgi_audit.ids import IdSource
from asgi_audit.journal import Batch, Journal
from asgi_audit.record import VERSION, Kind, Record, Response, encode
from tests.samples import record, records

LANES = ("first", "second")


class MakeJournal(Protocol):
    """Makes a new, empty journal of this capacity."""

    def __call__(self, *, max_bytes: int = ...) -> Journal: ...


def fill(journal: Journal, take: Callable[[Record], None] | None = None) -> list[Record]:
    """Append (or hold) until there is no more room; return what was taken."""
    take = take or journal.append
    taken: list[Record] = []
    while True:
        each = record()
        try:
            take(each)
        except JournalFull:
            return taken
        taken.append(each)


class Listening:
    """Notes what a journal says."""

    def __init__(self) -> None:
        self.news = threading.Event()  # there was something to read
        self.troubles: list[str] = []
        self.losses: Counter[str] = Counter()
        self._ids = IdSource()

    def readable(self) -> None:
        """Note it."""
        self.news.set()

    def troubled(self, what: str, error: BaseException | None = None) -> None:
        """Note it, with the error's class."""
        self.troubles.append(what if error is None else f"{what} ({type(error).__name__})")

    def lost(self, reason: str, count: int) -> None:
        """Count it."""
        self.losses[reason] += count

    def own(self, kind: Kind, data: dict[str, object]) -> Record:
        """A record with no more than it must have."""
        return Record(
            v=VERSION, id=self._ids.new_id(), kind=kind, time=datetime.now(UTC), action=f"trail.{kind}", data=data
        )


def read(journal: Journal, lane: str, limit: int) -> Batch:
    """Read what was appended, though it may not have been on the disk yet."""
    journal.sync()
    return journal.read(lane, limit)


def drain(journal: Journal, lane: str, limit: int = 1000) -> list[Record]:
    """Read and acknowledge all that there is for a lane."""
    drained: list[Record] = []
    while (batch := read(journal, lane, limit)).records:
        drained += batch.records
        journal.acknowledge(lane, batch.position)
    return drained


class JournalContract:
    """Subclass it with the fixture `make`."""

    @pytest.fixture
    def make(self) -> MakeJournal:
        raise NotImplementedError

    @pytest.fixture
    def journal(self, make: MakeJournal) -> Journal:
        """A roomy journal with two lanes."""
        journal = make(max_bytes=2**22)
        journal.attach(LANES, Listening())
        return journal

    def test_lanes_read_what_was_appended_in_order(self, journal: Journal) -> None:
        """Each lane gets every record, with the journal's writer and a `seq` that counts from 0 without gaps."""
        given = records(10, writer=None, seq=None)
        for each in given:
            journal.append(each)
        for lane in LANES:
            read = drain(journal, lane, limit=3)
            assert [each.id for each in read] == [each.id for each in given]
            assert [each.seq for each in read] == list(range(10))
            assert {each.writer for each in read} == {journal.writer}
            assert read[0].request == given[0].request

    def test_an_empty_journal_has_nothing_to_read(self, journal: Journal) -> None:
        """An empty batch, at the lane's own position."""
        assert read(journal, "first", 10) == ([], 0)
        assert journal.progress("first") == (0, 0, 0, 0, 0, 0)

    def test_what_is_not_acknowledged_is_read_again(self, journal: Journal) -> None:
        """Reading changes nothing; acknowledging moves one lane alone."""
        for each in records(5):
            journal.append(each)
        batch = read(journal, "first", 2)
        assert read(journal, "first", 2) == batch
        journal.acknowledge("first", batch.position)
        assert [each.seq for each in read(journal, "first", 10).records] == [2, 3, 4]
        assert [each.seq for each in read(journal, "second", 10).records] == [0, 1, 2, 3, 4]

    def test_progress_counts_each_lane(self, journal: Journal) -> None:
        """Position, acknowledged, delivered and pending, lane by lane."""
        for each in records(5):
            journal.append(each)
        journal.acknowledge("first", read(journal, "first", 3).position)
        assert journal.progress("first") == (5, 3, 3, 0, 0, 5)
        assert journal.progress("first").pending == 2
        assert journal.progress("second").pending == 5

    def test_acknowledging_goes_forward_only(self, journal: Journal) -> None:
        """An acknowledgement that comes late takes nothing back."""
        for each in records(4):
            journal.append(each)
        journal.acknowledge("first", 3)
        journal.acknowledge("first", 1)
        assert journal.progress("first").acknowledged == 3

    def test_a_held_record_is_pending_but_not_read(self, journal: Journal) -> None:
        """A provisional record is counted, and shown to no lane."""
        provisional = record()
        journal.hold(provisional)
        assert journal.held() == {provisional.id}
        assert journal.progress("first").pending == 1
        assert not read(journal, "first", 10).records

    def test_the_final_record_replaces_the_held_one(self, journal: Journal) -> None:
        """Only the final one is read."""
        provisional = record()
        journal.hold(provisional)
        journal.hold(record(id=provisional.id, reason="a second provisional one"))
        journal.append(record(id=provisional.id, reason="final"))
        assert journal.held() == frozenset()
        assert [each.reason for each in drain(journal, "first")] == ["final"]

    def test_a_promoted_record_stands_for_the_final_one(self, journal: Journal) -> None:
        """After `promote` the final record comes too late and is dropped: one record per request, and no gap."""
        provisional = record(reason="provisional")
        journal.hold(provisional)
        journal.promote()
        journal.append(record(id=provisional.id, reason="final"))
        journal.append(record(reason="next"))
        read = drain(journal, "first")
        assert [each.reason for each in read] == ["provisional", "next"]
        assert [each.seq for each in read] == [0, 1]
        assert journal.held() == frozenset()

    def test_a_full_journal_refuses_while_the_primary_lane_lags(self, make: MakeJournal) -> None:
        """Nothing that the primary lane has not stored makes room; what was taken is all there."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        taken = fill(journal)
        drain(journal, "second")
        with pytest.raises(JournalFull, match="wait for first"):
            journal.append(record())
        assert [each.id for each in drain(journal, "first")] == [each.id for each in taken]
        journal.append(record())
        assert [each.seq for each in drain(journal, "first")] == [len(taken)]
        assert journal.progress("first").given_up == 0

    def test_a_lagging_secondary_lane_gives_up_its_oldest(self, make: MakeJournal) -> None:
        """The primary lane's stored records make room; the other lane goes on behind the hole, which is counted."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        count = len(fill(journal))
        drain(journal, "first")
        last = record()
        journal.append(last)
        progress = journal.progress("second")
        assert progress.given_up > 0
        assert progress.delivered == 0
        assert progress.pending == count + 1 - progress.given_up
        read = drain(journal, "second")
        assert [each.seq for each in read] == list(range(progress.given_up, count + 1))
        assert read[-1].id == last.id
        assert journal.progress("second").pending == 0
        assert journal.progress("first").given_up == 0

    def test_one_overflow_makes_room_for_many(self, make: MakeJournal) -> None:
        """A loss record about what was given up does not itself make a lane give up more."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        fill(journal)
        drain(journal, "first")
        journal.append(record())
        given_up = journal.progress("second").given_up
        for each in records(2):
            journal.append(each)
        assert journal.progress("second").given_up == given_up

    def test_what_is_on_its_way_is_not_given_up(self, make: MakeJournal) -> None:
        """A batch that a slow lane has read, and stores after all, is delivered, though the journal let go of it."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        count = len(fill(journal))
        on_its_way = read(journal, "second", count // 4)
        self._overflow(journal, rounds=3)
        hole = journal.progress("second").given_up
        assert hole > 0
        assert journal.progress("second").acknowledged == 0
        journal.acknowledge("second", on_its_way.position)
        progress = journal.progress("second")
        assert progress.delivered == on_its_way.position
        assert progress.given_up == hole
        assert progress.acknowledged == on_its_way.position + hole

    def test_what_could_not_be_stored_is_given_up_when_it_is_gone(self, make: MakeJournal) -> None:
        """A batch that has failed, and for which there was no room any more, is lost, and counted when it is missed."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        count = len(fill(journal))
        read(journal, "second", count // 4)
        self._overflow(journal, rounds=3)
        before = journal.progress("second")
        first = read(journal, "second", 10).records[0].seq
        after = journal.progress("second")
        assert after.given_up == before.given_up + count // 4 == first
        assert after.delivered == 0

    def test_a_record_that_never_fits_drives_nothing_out(self, make: MakeJournal) -> None:
        """One larger than the whole journal is refused; the others stay."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        for each in records(3):
            journal.append(each)
        drain(journal, "first")
        with pytest.raises(JournalFull):
            journal.append(record(reason="x" * 2**16))
        assert journal.progress("second").given_up == 0
        assert len(drain(journal, "second")) == 3

    def test_a_full_journal_makes_do_with_the_provisional_record(self, make: MakeJournal) -> None:
        """What is held has its room: if the final record has none, nothing is lost but what it added."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        provisional = record(reason="provisional")
        journal.hold(provisional)
        fill(journal)
        journal.append(record(id=provisional.id, reason="final" * 2**13))
        assert drain(journal, "first")[-1].reason == "provisional"
        assert journal.held() == frozenset()

    def test_held_records_take_room(self, make: MakeJournal) -> None:
        """Provisional records are bounded, too, and can always be promoted."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        taken = len(fill(journal))
        with pytest.raises(JournalFull):
            journal.hold(record())
        drain(journal, "first")
        drain(journal, "second")
        held = fill(journal, journal.hold)
        assert {each.id for each in held} == journal.held()
        journal.promote()
        assert len(drain(journal, "first")) == len(held)
        assert journal.progress("first").position == taken + len(held)

    def test_room_comes_back(self, make: MakeJournal) -> None:
        """What every lane has stored takes no room: far more passes through than fits at a time."""
        journal = make(max_bytes=2**15)
        journal.attach(LANES, Listening())
        passed = 0
        for _ in range(60):
            each = records(30)
            for one in each:
                journal.append(one)
            passed += 30
            assert [one.id for one in drain(journal, "first")] == [one.id for one in each]
            assert len(drain(journal, "second")) == 30
        assert journal.progress("first") == (passed, passed, passed, 0, 0, passed)

    def test_a_value_of_the_wrong_type_stops_nobody(self, journal: Journal) -> None:
        """A record that can't be read back as it was is kept as text, with what is wrong; those behind it pass."""
        odd = record(response=Response(status="200"))  # type: ignore[arg-type]
        neighbour = record()
        journal.append(odd)
        journal.append(neighbour)
        read = drain(journal, "first")
        assert read[0].id == odd.id
        assert read[0].kind is odd.kind
        assert read[0].action == "unreadable"
        assert read[0].data == {
            "unreadable": "Expected `int`, got `str` - at `$.response.status`",
            "entry": encode(odd).decode(),
        }
        assert read[1].id == neighbour.id

    def test_a_renewed_journal_is_another_empty_writer(self, journal: Journal) -> None:
        """As in a forked child: nothing of the parent's is there, and `seq` begins again under a new name."""
        parent = journal.writer
        journal.append(record())
        journal.hold(record())
        journal.renew()
        assert journal.writer != parent
        assert journal.progress("second") == (0, 0, 0, 0, 0, 0)
        journal.append(record())
        assert [(each.seq, each.writer) for each in drain(journal, "second")] == [(0, journal.writer)]

    def test_a_journal_serves_one_trail(self, journal: Journal) -> None:
        """A second one would throw away what the first has waiting."""
        with pytest.raises(ConfigurationError, match="serves one trail") as caught:
            journal.attach(["another"], Listening())
        assert caught.value.argument == "journal"

    def test_threads_append_side_by_side(self, journal: Journal) -> None:
        """No record is lost, none comes twice, every thread's stand in its order, and lanes read meanwhile."""
        given: list[list[Record]] = [records(200) for _ in range(8)]
        done = threading.Event()
        read: list[Record] = []

        def append(mine: list[Record]) -> None:
            for each in mine:
                journal.append(each)

        def follow() -> None:
            while not done.is_set():
                read.extend(drain(journal, "first", limit=50))
            read.extend(drain(journal, "first"))

        follower = threading.Thread(target=follow)
        follower.start()
        threads = [threading.Thread(target=append, args=(mine,)) for mine in given]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        follower.join()
        assert [each.seq for each in read] == list(range(1600))
        for mine in given:
            ids = {each.id for each in mine}
            assert [each.id for each in read if each.id in ids] == [each.id for each in mine]

    def _overflow(self, journal: Journal, rounds: int) -> None:
        """Let the primary lane store everything, and others take its place, so many times over."""
        for _ in range(rounds):
            drain(journal, "first")
            fill(journal)
