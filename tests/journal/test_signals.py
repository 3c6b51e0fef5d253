"""What a signal handler may do in the middle of an append: raise, or wait for what its own thread is doing."""

import os
import threading
from pathlib import Path

import pytest

from asgi_audit.journal import FileJournal, MemoryJournal
from asgi_audit.journal import tape as tapes
from asgi_audit.journal.tape import Stretch
from tests.contracts.journal_contract import LANES, Listening, drain, fill
from tests.delivery.faulty import PATIENCE
from tests.journal.failing import syncs
from tests.journal.succession import begin, delivered, die, directory_of, inherit, losses
from tests.samples import record, records


def test_a_record_whose_writing_was_broken_off_keeps_its_seq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may stand in the file: the next one has another, the gap is given up, and a successor finds no seq twice."""
    journal = begin(tmp_path, fsync="never")
    first, broken_off, *later = records(4)
    journal.append(first)
    real = os.pwrite

    def pwrite(file: int, content: bytes, at: int) -> int:
        real(file, content, at)
        raise KeyboardInterrupt

    with monkeypatch.context() as signalled:
        signalled.setattr(os, "pwrite", pwrite)
        with pytest.raises(KeyboardInterrupt):
            journal.append(broken_off)
    assert not journal._step.interrupted
    for each in later:
        journal.append(each)
    assert [(each.id, each.seq) for each in delivered(journal, "first")] == [
        (first.id, 0),
        *((each.id, seq) for seq, each in enumerate(later, 2)),
    ]
    progress = journal.progress("first")
    assert (progress.position, progress.given_up, progress.pending) == (4, 1, 0)
    die(journal)
    told = inherit(tmp_path)["second"]
    assert [each.seq for each in told if not each.data] == [0, 2, 3]
    assert [each["records"] for each in losses(told)] == [1]


def test_a_journal_in_memory_that_an_exception_has_left_is_usable() -> None:
    """Before the end of the step was noted, even: later records are read, each with a seq of its own."""
    journal = MemoryJournal()
    journal.attach(LANES, Listening())
    before, after = records(2)
    journal.append(before)
    journal._step.__enter__()  # and never left
    journal.append(after)
    assert [(each.id, each.seq) for each in drain(journal, "first")] == [(before.id, 0), (after.id, 1)]


def test_a_sync_in_the_middle_of_writing_returns(tmp_path: Path) -> None:
    """The thread that syncs would wait for the lock that the caller holds; what was written is synced later."""
    journal = begin(tmp_path)
    journal.append(record())
    syncing, returned = threading.Event(), threading.Event()

    def sync() -> None:
        with journal._durability.busy:
            syncing.set()
            returned.wait(PATIENCE)  # as for the lock

    other = threading.Thread(target=sync)
    other.start()
    assert syncing.wait(PATIENCE)
    with journal._lock:
        caller_waits = threading.Timer(PATIENCE / 4, returned.set)  # so that a sync that waits fails, and does not hang
        caller_waits.start()
        journal.sync()
        assert not returned.is_set()
    caller_waits.cancel()
    returned.set()
    other.join()
    journal.sync()
    assert len(delivered(journal, "first")) == 1
    die(journal)


def test_what_is_being_read_is_not_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room that is made between the choice of segments and the end of reading takes nothing from the reader."""
    journal: FileJournal = begin(tmp_path, fsync="never", max_bytes=2**15)
    count = len(fill(journal))
    delivered(journal, "first")
    real = tapes.read
    seen: list[int] = []

    def read(*arguments: object) -> Stretch:
        monkeypatch.setattr(tapes, "read", real)
        journal.append(record())
        seen.append(journal.progress("second").given_up)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tapes, "read", read)
    batch = journal.read("second", count)
    assert [each.seq for each in batch.records] == list(range(count))
    journal.acknowledge("second", batch.position)
    assert seen == [0]
    assert journal.progress("second").given_up == 0
    assert journal.progress("second").delivered == count
    die(journal)


def test_a_segment_written_again_whose_sync_fails_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To another file: a second sync of the same one may be told of no error, though the disk has nothing."""
    journal = begin(tmp_path)
    journal.append(record())
    journal.sync()
    segment = directory_of(journal) / "000001.seg"
    with journal._durability.busy:
        segment.unlink()
        journal.append(record())
        with syncs(monkeypatch, 1), monkeypatch.context() as watched:
            made: list[int] = []
            real = os.open

            def note(path: Path, *arguments: int) -> int:
                file = real(path, *arguments)
                if path == segment:
                    made.append(file)
                return file

            watched.setattr(os, "open", note)
            journal.sync()
    assert len(made) == 2
    die(journal)
    assert [each.seq for each in inherit(tmp_path)["first"]] == [0, 1, 0]


def test_a_large_journal_has_few_segments(tmp_path: Path) -> None:
    """Each of them is an open file."""
    journal = FileJournal(tmp_path, max_bytes=2**36)
    assert 2**36 / journal._log._segment_bytes <= 128
