"""What happens seldom."""

import errno
import fcntl
import os
from pathlib import Path
from queue import Empty

import pytest

from asgi_audit import AuditTrail
from asgi_audit.failures import Failures
from asgi_audit.interruption import held_here
from asgi_audit.journal import FileJournal, MemoryJournal, choose
from asgi_audit.journal.backlog import Backlog, _age
from asgi_audit.journal.directory import WriterDirectory, _Locks
from asgi_audit.journal.log import Log
from asgi_audit.journal.segment import FORMAT, Header, Segment
from asgi_audit.journal.shelf import Shelf
from asgi_audit.journal.syncer import Syncer
from asgi_audit.record import Kind, Record
from asgi_audit.testing import MemorySink
from tests.contracts.journal_contract import Listening
from tests.journal.failing import writes
from tests.journal.succession import LANES, begin, delivered, die
from tests.samples import record, records

WRITER = "0" * 32
HEADER = Header(format=FORMAT, writer=WRITER, lanes=LANES, first=0)


def test_nobody_waits_for_a_disk_that_is_not_there() -> None:
    """Memory is settled at once; and so is a file, once it was synced."""
    assert MemoryJournal().on_settled(lambda: None) is False


def test_nobody_waits_for_what_the_disk_has(tmp_path: Path) -> None:
    """There will be no call."""
    journal = begin(tmp_path, fsync="always")
    journal.append(record())
    journal.sync()
    assert journal.on_settled(lambda: None) is False
    die(journal)


@pytest.mark.parametrize("required", [False, True])
def test_a_directory_that_can_not_be(tmp_path: Path, required: bool) -> None:
    """Memory does instead, which is said; but where records are required, it is tried again with each."""
    (tmp_path / "file").touch()
    failures = Failures()
    journal = choose(tmp_path / "file" / "journal", LANES, None, failures, required=required, volatile=False)
    assert isinstance(journal, FileJournal if required else MemoryJournal)
    assert bool(failures.counts()) is not required


def test_a_directory_that_is_just_being_made_is_left_to_its_writer(tmp_path: Path) -> None:
    """It has made its lock, and is about to take it."""
    place = tmp_path / f".{WRITER}"
    place.mkdir()
    (place / "lock").touch()
    Backlog(tmp_path, LANES, Listening()).look()
    assert (place / "lock").exists()
    assert _age(tmp_path / "gone meanwhile") == 0.0


def test_what_is_taken_over_while_the_journal_closes_is_left_to_others(tmp_path: Path) -> None:
    """A recovery may take longer than a trail lives."""

    class Closing(Listening):
        def own(self, kind: Kind, data: dict[str, object]) -> Record:
            backlog.release()
            return super().own(kind, data)

    journal = begin(tmp_path)
    journal.append(record())
    die(journal)
    backlog = Backlog(tmp_path, LANES, Closing())
    backlog.look()
    assert backlog.estates == []
    heir = Backlog(tmp_path, LANES, Listening())
    heir.look()
    assert len(delivered(heir.estates[0], "first")) == 2
    heir.release()


def test_a_lock_that_can_not_be_tried_is_no_free_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the system says instead is passed on."""
    WriterDirectory.build(tmp_path, WRITER).publish()

    def fail(_file: int, _operation: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="no"):
        WriterDirectory.take(tmp_path / WRITER)


def test_a_child_closes_the_locks_of_its_parent(tmp_path: Path) -> None:
    """All that are open."""
    locks = _Locks()
    lock = locks.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    locks._let_go()
    assert lock.number == -1


def test_a_full_disk_gets_back_what_is_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the newest segment, which nobody needs any more."""
    journal = begin(tmp_path)
    for each in records(3):
        journal.append(each)
    journal.sync()
    positions = {lane: journal.read(lane, 10).position for lane in LANES}
    with writes(monkeypatch, errno.ENOSPC), pytest.raises(OSError, match="No space"):
        journal.append(record())
    for lane, position in positions.items():
        journal.acknowledge(lane, position)
    journal.sync()
    assert not (journal.path / journal.writer / "000001.seg").exists()
    die(journal)


def test_on_a_full_disk_lanes_behind_the_primary_one_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the limit."""
    journal = begin(tmp_path, max_bytes=2**16)
    for each in records(30):
        journal.append(each)
    journal.sync()
    delivered(journal, "first")
    with writes(monkeypatch, errno.ENOSPC), pytest.raises(OSError, match="No space"):
        journal.append(record())
    assert journal.progress("second").given_up > 0
    die(journal)


def test_room_that_others_have_given_back_is_seen_before_anything_is_refused(tmp_path: Path) -> None:
    """They were asked some time ago."""
    log = Log(tmp_path, HEADER, 2**16, lambda: dict.fromkeys(LANES, 0), lambda: 0, confirm=False)
    log._taken = 2**16
    log.record(b"x" * 100 + b"\n")
    assert log.position == 1


def test_what_stands_before_is_kept_when_the_rest_is_taken_back(tmp_path: Path) -> None:
    """Whole segments before it, and those behind not at all."""
    shelf = Shelf()
    for number in (1, 2, 3):
        shelf.add(Segment.create(tmp_path / f"{number:06}.seg", HEADER))
        shelf.newest.write(b"entries\n")
    end = shelf[0].end
    shelf.back_to(2, 10, 7)
    assert [(each.number, each.end) for each in shelf] == [(1, end), (2, 10)]
    assert shelf[1].next == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000001.seg", "000002.seg"]


def test_a_thread_that_is_woken_while_it_retires_goes_on(tmp_path: Path) -> None:
    """Between its last look and the lock."""

    class Late:
        def get(self, timeout: float | None = None) -> None:
            if timeout is not None:
                raise Empty

        def empty(self) -> bool:
            return False

    journal = begin(tmp_path)
    syncer = Syncer(journal.sync, 0.0, journal._lock)
    syncer._bell = Late()  # type: ignore[assignment]
    assert syncer._wait()
    assert not held_here(journal._lock)


def test_a_trail_hears_what_its_journal_says() -> None:
    """Troubles are failures, and losses are declared."""
    trail = AuditTrail(MemorySink(), journal=None)
    trail._outbox.troubled("something")
    trail._outbox.lost("somehow", 2)
    stats = trail.stats()
    assert stats.failures["something"] == 1
    assert stats.sinks[0].lost == stats.undeclared == 2
