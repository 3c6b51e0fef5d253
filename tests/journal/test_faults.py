"""Disks that fail: nothing that was taken is lost, nothing comes twice, and it is told."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from asgi_audit.errors import JournalFull
from asgi_audit.record import Outcome
from tests.contracts.journal_contract import Listening
from tests.journal.failing import syncs, writes
from tests.journal.succession import LANES, begin, closes, content_of, delivered, die, directory_of, inherit, losses
from tests.samples import record, records


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, 0])
@pytest.mark.parametrize("after", [0, 100])
def test_a_write_that_fails_takes_no_seq(
    number: int, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had come of it is taken back; the caller hears of it, and so does who asks for problems, until it works."""
    journal = begin(tmp_path)
    first, refused, second = records(3)
    journal.append(first)
    segment = directory_of(journal) / "000001.seg"
    before = content_of(segment)
    with writes(monkeypatch, number, after), pytest.raises(OSError, match=os.strerror(number or errno.ENOSPC)):
        journal.append(refused)
    assert journal.problems() == [f"journal {tmp_path}: {os.strerror(number or errno.ENOSPC)}"]
    assert content_of(segment) == before
    journal.sync()  # which makes the next attempt come at once
    journal.append(second)
    assert journal.problems() == []
    journal.sync()
    told = delivered(journal, "first")
    assert [(each.id, each.seq) for each in told] == [(first.id, 0), (second.id, 1)]
    die(journal)
    assert [each.id for each in inherit(tmp_path)["second"]][:2] == [first.id, second.id]


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it takes."""
    journal = begin(tmp_path)
    real = os.pwrite
    with monkeypatch.context() as short:
        short.setattr(os, "pwrite", lambda file, content, at: real(file, content[:7], at))
        given = records(3)
        for each in given:
            journal.append(each)
    journal.sync()
    assert [each.id for each in delivered(journal, "first")] == [each.id for each in given]
    die(journal)


def test_what_can_not_be_taken_back_is_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half entry that can't be cut off stands under the next one, and its rest is no entry."""
    journal = begin(tmp_path)

    def fail(file: int, size: int) -> None:
        raise OSError(errno.EIO, "no")

    first, long, short = record(), record(reason="x" * 5000), record()
    journal.append(first)
    with monkeypatch.context() as stuck, writes(monkeypatch, errno.ENOSPC, after=4000):
        stuck.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="No space"):
            journal.append(long)
    journal.append(short)
    die(journal)
    told = inherit(tmp_path)["first"]
    assert [each.id for each in told][:2] == [first.id, short.id]
    assert closes(told)[0]["torn"] > 0
    assert losses(told) == []


def test_no_directory_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of the attempt; the next ones fail at once for a second, and a sync ends that."""
    place = tmp_path / "place"
    journal = begin(place)
    with writes(monkeypatch, errno.ENOSPC), pytest.raises(OSError, match="No space"):
        journal.append(record())
    with pytest.raises(OSError, match="No space"):
        journal.append(record())
    journal.sync()
    journal.append(record())
    journal.sync()
    assert [each.seq for each in delivered(journal, "first")] == [0]
    assert [path.name for path in place.iterdir()] == [journal.writer]
    die(journal)


def test_an_owed_cancel_is_written_with_the_next_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that is not to be recorded, and of which that could not be written, is not said to be interrupted."""
    journal = begin(tmp_path)
    cancelled, failed, running = (record(outcome=None) for _ in range(3))
    for each in (cancelled, failed, running):
        journal.intend(each)
    with writes(monkeypatch, errno.ENOSPC):
        journal.cancel(cancelled.id)
        with pytest.raises(OSError, match="No space"):
            journal.append(record(id=failed.id), failed.id)
    journal.cancel("of which nobody knows")
    journal.append(record())
    die(journal)
    told = inherit(tmp_path)["first"]
    assert [each.id for each in told if each.outcome is Outcome.INTERRUPTED] == [running.id]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_a_failed_sync_leaves_in_doubt_is_written_again(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a new segment, with what is open; nothing is lost, nothing comes twice, here or after a crash."""
    journal = begin(tmp_path, fsync="always")
    before, after = records(3), records(3)
    running = record(outcome=None)
    for each in before:
        journal.append(each)
    journal.sync()
    first = content_of(directory_of(journal) / "000001.seg")
    journal.acknowledge("first", journal.read("first", 2).position)
    with journal._durability.busy, syncs(monkeypatch, times) as failed:
        journal.intend(running)
        for each in after:
            journal.append(each)
        journal.sync()
        assert len(failed) == times
        if times == 3:
            assert journal.problems() == [f"journal {tmp_path}: {os.strerror(errno.EIO)}"]
            assert [each.seq for each in journal.read("first", 9).records] == [2]
        journal.sync()
    assert journal.problems() == []
    assert content_of(directory_of(journal) / "000001.seg") == first
    assert [each.id for each in delivered(journal, "first")] == [each.id for each in [*before[2:], *after]]
    die(journal)
    told = inherit(tmp_path)["second"]
    assert [each.id for each in told][:7] == [each.id for each in [*before, *after, running]]
    assert [each.seq for each in told][:6] == list(range(6))
    assert losses(told) == []


def test_it_can_not_even_be_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is tried with the next sync; a caller of `sync` is not held for ever."""
    journal = begin(tmp_path)
    listener = journal._listener
    assert isinstance(listener, Listening)
    with journal._durability.busy:
        journal.append(record())
        with syncs(monkeypatch), writes(monkeypatch, errno.EIO):
            journal.sync()
        assert set(listener.troubles) == {"the disk did not confirm what was written, which is written again (OSError)"}
        assert journal.read("first", 1).records == []
    journal.sync()
    assert [each.seq for each in delivered(journal, "first")] == [0]
    die(journal)


def test_a_disk_that_never_confirms_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has not confirmed is kept, up to a limit; then nothing more is taken."""
    monkeypatch.setattr("asgi_audit.journal.log._UNCONFIRMED_BYTES", 10_000)
    journal = begin(tmp_path)
    with journal._durability.busy:
        journal.append(record(reason="x" * 10_000))
        with pytest.raises(JournalFull, match="wait for the disk"):
            journal.append(record())
    journal.sync()
    journal.append(record())
    die(journal)


@pytest.mark.parametrize("cut", [False, True])
def test_a_deleted_segment_is_written_again(cut: bool, tmp_path: Path) -> None:
    """It is still open. What somebody has cut off before is gone, which is found after a crash, and declared."""
    journal = begin(tmp_path)
    for _ in range(3):
        journal.append(record())
    journal.sync()
    segment = directory_of(journal) / "000001.seg"
    if cut:
        os.truncate(segment, 0)
    segment.unlink()
    journal.sync()
    assert segment.exists()
    journal.append(record())
    die(journal)
    told = inherit(tmp_path)["first"]
    own = [each.seq for each in told if not each.data]
    assert own == ([3] if cut else [0, 1, 2, 3])
    assert sum(each["records"] for each in losses(told)) == (3 if cut else 0)
    assert bool(losses(told)) is cut


def test_a_removed_directory_is_made_again(tmp_path: Path) -> None:
    """With all that is in it, the lanes' cursors too; and again, if it is removed again."""
    journal = begin(tmp_path)
    for _ in range(2):
        for _ in range(3):
            journal.append(record())
        journal.sync()
        journal.acknowledge("second", journal.read("second", 1).position)
        shutil.rmtree(directory_of(journal))
        journal.append(record())
        journal.sync()
    die(journal)
    inherited = inherit(tmp_path)
    assert [each.seq for each in inherited["first"]] == [*range(8), 0]
    assert [each.seq for each in inherited["second"]] == [*range(2, 8), 0]


def test_a_directory_that_can_not_be_made_again(tmp_path: Path) -> None:
    """It is told, and tried again."""
    place = tmp_path / "place"
    journal = begin(place)
    listener = journal._listener
    assert isinstance(listener, Listening)
    journal.append(record())
    with journal._durability.busy:
        shutil.rmtree(place)
        place.write_text("a file in its place")
        journal.sync()
        assert any("gone" in each for each in listener.troubles)
        assert journal.problems() != []
        place.unlink()
        journal.sync()
    assert journal.problems() == []
    assert [each.seq for each in delivered(journal, "first")] == [0]
    die(journal)


def test_a_cursor_that_can_not_be_saved_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is behind half a line would be lost with it, so the next one begins a new file."""
    journal = begin(tmp_path)
    listener = journal._listener
    assert isinstance(listener, Listening)
    for _ in range(4):
        journal.append(record())
    journal.sync()
    for lane in LANES:
        journal.acknowledge(lane, 1)
    real = os.write
    with monkeypatch.context() as short:
        short.setattr(os, "write", lambda file, content: real(file, content[:10]))
        journal.acknowledge("first", 2)
    assert listener.troubles == ["a cursor could not be saved: what is stored may be delivered again (OSError)"]
    journal.acknowledge("first", 3)
    die(journal)
    inherited = inherit(tmp_path)
    assert [each.seq for each in inherited["first"]] == [3, 0]
    assert [each.seq for each in inherited["second"]] == [1, 2, 3, 0]


def test_what_can_not_be_promoted_is_promoted_by_the_successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is on record as provisional, and who promotes hears of it by the way."""
    journal = begin(tmp_path)
    held = record()
    journal.hold(held)
    with writes(monkeypatch, errno.EIO):
        journal.promote()
    assert journal.held() == {held.id}
    die(journal)
    assert [each.id for each in inherit(tmp_path)["first"]][:1] == [held.id]


def test_it_can_not_be_closed_in_good_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and raises nothing."""
    journal = begin(tmp_path)
    listener = journal._listener
    assert isinstance(listener, Listening)
    journal.append(record())
    journal.sync()
    with writes(monkeypatch, errno.EIO):
        journal.close()
    assert "the journal could not be closed in good order (OSError)" in listener.troubles
    die(journal)


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last twentieth is not ours."""
    journal = begin(tmp_path)
    real = os.fstatvfs(os.open(tmp_path, os.O_RDONLY))

    class Full:
        f_blocks, f_bavail = real.f_blocks, real.f_blocks // 21

    with monkeypatch.context() as full:
        full.setattr(os, "fstatvfs", lambda file: Full)
        with pytest.raises(OSError, match="of the disk is free"):
            journal.append(record())
    journal.append(record())
    die(journal)
