"""What dead writers have left must not stand in the way: not of the living, and not of other dead."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from asgi_audit.errors import JournalFull
from asgi_audit.journal import backlog as backlogs
from asgi_audit.journal.backlog import Backlog
from asgi_audit.journal.remains import quarantine
from tests.contracts.journal_contract import Listening, fill
from tests.journal.succession import LANES, begin, delivered, die, directory_of, inherit, losses
from tests.samples import record, records

MAX_BYTES = 2**16


def dead_writers(place: Path, number: int, *, stored: bool = False, count: int = 2) -> list[str]:
    """They have appended some records, and died; `stored`: the primary sink has them already."""
    writers = []
    for _ in range(number):
        journal = begin(place, fsync="never")
        for _ in range(count):
            journal.append(record())
        if stored:
            delivered(journal, "first")
        writers.append(journal.writer)
        die(journal)
    return writers


def look(place: Path) -> tuple[Backlog, Listening]:
    """Take what there is."""
    listener = Listening()
    backlog = Backlog(place, LANES, listener)
    backlog.look()
    return backlog, listener


def deliver(backlog: Backlog, *lanes: str) -> None:
    """Let these have all that was taken."""
    for estate in backlog.estates:
        for lane in lanes:
            delivered(estate, lane)


def test_what_only_a_secondary_lane_waits_for_takes_no_room(tmp_path: Path) -> None:
    """A dead writer's records count against `max_bytes` until the primary sink has them, however long others are down.

    Then a journal takes as much as if nobody had died.
    """
    dead = begin(tmp_path, max_bytes=MAX_BYTES, fsync="never")
    fill(dead)
    die(dead)
    journal = begin(tmp_path, max_bytes=MAX_BYTES, fsync="never")
    journal.look()
    (estate,) = journal.backlog()
    with pytest.raises(JournalFull):
        list(map(journal.append, records(200)))
    before = journal.progress("first").position
    assert not estate.lagging  # type: ignore[attr-defined]
    delivered(estate, "first")
    assert estate.lagging  # type: ignore[attr-defined]
    assert journal._backlog.bytes == 0
    taken = len(fill(journal))
    die(journal)
    alone = begin(tmp_path / "alone", max_bytes=MAX_BYTES, fsync="never")
    assert before + taken == len(fill(alone))
    assert losses(delivered(estate, "second")) == []
    die(alone)


def test_what_only_a_secondary_lane_waits_for_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many estates wait for a sink that is down, the primary one gets all that the dead have left."""
    monkeypatch.setattr(backlogs, "_MOST", 2)
    writers = dead_writers(tmp_path, 5)
    backlog, listener = look(tmp_path)
    served: set[str] = set()
    for _ in range(3):
        served |= {estate.name for estate in backlog.estates}
        deliver(backlog, "first")
        backlog.look()
    assert served == set(writers)
    assert {estate.name for estate in backlog.estates} == set(writers)
    assert listener.troubles == []
    backlog.release()


def test_a_dead_writer_whose_records_the_primary_sink_has_takes_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once what its recovery has added is stored there, too."""
    monkeypatch.setattr(backlogs, "_MOST", 1)
    writers = dead_writers(tmp_path, 3, stored=True)
    backlog, _ = look(tmp_path)
    for count in (1, 2, 3):
        assert len(backlog.estates) == count
        deliver(backlog, "first")
        backlog.look()
    assert {estate.name for estate in backlog.estates} == set(writers)
    backlog.release()


def test_only_so_many_are_taken_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest may be taken by other workers, or later."""
    monkeypatch.setattr(backlogs, "_MOST", 2)
    dead_writers(tmp_path, 3)
    one, _ = look(tmp_path)
    two, _ = look(tmp_path)
    assert (len(one.estates), len(two.estates)) == (2, 1)
    one.release()
    two.release()


def delete(segment: Path, broken: pytest.MonkeyPatch) -> None:
    """Somebody has removed it by hand."""
    segment.unlink()


def fail_to_read(segment: Path, broken: pytest.MonkeyPatch) -> None:
    """The disk has bad blocks."""

    def pread(file: int, size: int, at: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    broken.setattr(os, "pread", pread)


@pytest.mark.parametrize("damage", [delete, fail_to_read])
def test_an_estate_that_can_not_be_read_is_let_go_of(
    damage: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said; the lane has its own records to deliver, and whoever looks again may have more luck."""
    (writer,) = dead_writers(tmp_path, 1)
    journal = begin(tmp_path, fsync="never")
    listener = journal._listener
    assert isinstance(listener, Listening)
    journal.look()
    (estate,) = journal.backlog()
    with monkeypatch.context() as broken:
        damage(tmp_path / writer / "000001.seg", broken)
        batch = estate.read("first", 10)
        assert batch.records == []
        estate.acknowledge("first", batch.position)
    assert journal.backlog() == []
    assert not estate.progress("first").waiting
    (trouble,) = listener.troubles
    assert trouble.startswith("what a dead writer has left can't be read now")
    own = record()
    journal.append(own)
    assert [each.id for each in delivered(journal, "first")] == [own.id]
    journal.look()
    assert [again.name for again in journal._backlog.estates] == [writer]
    die(journal)


def test_a_recovery_that_fails_adds_nothing_to_the_quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is damaged is kept there once, however often it is tried: all of it, of every segment."""
    journal = begin(tmp_path, fsync="never")
    for each in records(4):
        journal.append(each)
    segment = directory_of(journal) / "000001.seg"
    writer = journal.writer
    die(journal)
    lines = segment.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    damaged = [lines[1][:30] + b"?" + lines[1][31:], lines[3][:30] + b"?" + lines[3][31:]]
    segment.write_bytes(b"".join([lines[0], damaged[0], lines[2], damaged[1], lines[4]]))

    def fail(file: int) -> None:
        raise OSError(errno.EIO, "no disk")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        for _ in range(3):
            backlog, listener = look(tmp_path)
            assert list(backlog.estates) == []
            assert len(listener.troubles) == 1
    (loss,) = losses(inherit(tmp_path)["first"])
    assert (loss["records"], loss["entries"]) == (2, 2)
    kept = quarantine(tmp_path) / f"{writer}-000001.seg"
    assert kept.read_bytes() == b"".join(damaged)
