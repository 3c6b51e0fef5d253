"""What only the journal in files does: its arguments, its own thread, interruptions, forks, entries of any length."""

import errno
import fcntl
import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from asgi_audit.errors import ConfigurationError
from asgi_audit.journal import FileJournal
from asgi_audit.record import Outcome
from tests.contracts.journal_contract import Listening
from tests.journal.failing import writes
from tests.journal.succession import begin, content_of, delivered, die, directory_of, inherit, losses
from tests.lives.processes import in_child
from tests.samples import record, records


@pytest.mark.parametrize(
    ("argument", "value"), [("fsync", "sometimes"), ("max_bytes", 2**14 - 1), ("deadline", 0.0), ("deadline", -1)]
)
def test_what_can_not_work_is_refused(argument: str, value: Any, tmp_path: Path) -> None:
    """The error names the argument, and what to give instead."""
    with pytest.raises(ConfigurationError, match="give") as caught:
        FileJournal(tmp_path, **{argument: value})
    assert caught.value.argument == argument


def test_probing_leaves_nothing(tmp_path: Path) -> None:
    """It makes what the journal will make, and removes it."""
    FileJournal(tmp_path / "place").probe()
    assert list((tmp_path / "place").iterdir()) == []


def test_probing_a_place_that_can_not_be(tmp_path: Path) -> None:
    """A file stands in its way."""
    (tmp_path / "place").touch()
    with pytest.raises(FileExistsError):
        FileJournal(tmp_path / "place").probe()


def test_nothing_is_made_before_the_first_record(tmp_path: Path) -> None:
    """Nor is anything left of one that closes without."""
    journal = begin(tmp_path / "place")
    assert journal.problems() == []
    journal.acknowledge("first", 0)
    journal.close()
    assert not (tmp_path / "place").exists()


@pytest.mark.parametrize("length", [2**14, 2**18 - 200, 2**18, 2**20])
def test_an_entry_longer_than_a_chunk_or_a_segment(length: int, tmp_path: Path) -> None:
    """It is read whole, and so are its neighbours, by the living and by successors."""
    journal = begin(tmp_path, max_bytes=2**23)
    given = [record(), record(reason="x" * length), record(), record(reason="y" * length), record()]
    for each in given:
        journal.append(each)
    journal.sync()
    assert [each.reason for each in delivered(journal, "first", 2)] == [each.reason for each in given]
    die(journal)
    assert [each.reason for each in inherit(tmp_path)["second"]][:5] == [each.reason for each in given]


def test_more_intents_than_a_segment_holds(tmp_path: Path) -> None:
    """They are carried along without end, and each is found once."""
    journal = begin(tmp_path, max_bytes=2**17)
    running = [record(outcome=None, reason="i" * 1000) for _ in range(20)]
    for each in running:
        journal.intend(each)
    for _ in range(60):
        journal.append(record())
        journal.sync()
        for lane in ("first", "second"):
            delivered(journal, lane)
    die(journal)
    told = inherit(tmp_path)["first"]
    assert [each.id for each in told if each.outcome is Outcome.INTERRUPTED] == [each.id for each in running]


def test_a_carrying_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no new segment can be begun, the old one grows."""
    journal = begin(tmp_path, max_bytes=2**17)
    running = record(outcome=None, reason="i" * 1000)
    journal.intend(running)
    real = os.pwrite

    def write(file: int, content: bytes, at: int) -> int:
        if b"H {" not in content and at < 300:  # what is carried stands behind the header
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, content, at)

    with monkeypatch.context() as failing:
        failing.setattr(os, "pwrite", write)
        for each in (given := records(40)):
            journal.append(each)
        assert [path.name for path in directory_of(journal).glob("*.seg")] == ["000001.seg"]
    die(journal)
    told = inherit(tmp_path)["first"]
    assert [each.id for each in told][:41] == [each.id for each in [*given, running]]


def test_zeros_in_the_middle_of_what_is_read(tmp_path: Path) -> None:
    """A page that was never written, as long as a chunk and longer, costs no more than the entries on it."""
    journal = begin(tmp_path, fsync="never")
    for _ in range(3):
        journal.append(record(reason="x" * 2**19))
    segment = directory_of(journal) / "000001.seg"
    content = bytearray(content_of(segment))
    die(journal)
    lines = content.splitlines(keepends=True)
    start = len(lines[0]) + len(lines[1])
    content[start : start + len(lines[2])] = bytes(len(lines[2]) - 1) + b"\n"
    segment.write_bytes(content)
    told = inherit(tmp_path)["first"]
    assert [each.seq for each in told if each.reason] == [0, 2]
    assert [each["records"] for each in losses(told)] == [1]


def test_a_signal_handler_may_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of an append: what it records comes after it, and none of both is damaged."""
    journal = begin(tmp_path)
    outer, inner = record(), record()
    real = os.pwrite

    def handle(number: int, frame: FrameType | None) -> None:
        journal.append(inner)

    def write(file: int, content: bytes, at: int) -> int:
        if outer.id.encode() in content:
            signal.raise_signal(signal.SIGUSR1)
        return real(file, content, at)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        with monkeypatch.context() as interrupting:
            interrupting.setattr(os, "pwrite", write)
            journal.append(outer)
    finally:
        signal.signal(signal.SIGUSR1, before)
    journal.sync()
    assert [each.id for each in delivered(journal, "first")] == [outer.id, inner.id]
    die(journal)


def test_what_an_interruption_could_not_record_is_lost_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller is gone by then. A cancel that fails costs nothing."""
    journal = begin(tmp_path)
    listener = journal._listener
    assert isinstance(listener, Listening)
    with writes(monkeypatch, errno.EIO), journal._lock, journal._step:
        journal.append(record())
        journal.intend(record())
    assert listener.losses == {"made in the middle of making another": 1}
    die(journal)


def test_a_child_leaves_the_parents_lock_alone(tmp_path: Path) -> None:
    """It becomes a writer of its own; nobody can take the parent's directory while the parent lives."""
    journal = begin(tmp_path)
    journal.append(record())
    parent = directory_of(journal)

    def child() -> tuple[bool, list[str]]:
        journal.renew()
        journal.look()
        with (parent / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True, [journal.writer]
        return False, []

    locked, writers = in_child(child)
    assert locked
    assert writers != [journal.writer]
    journal.sync()
    assert len(delivered(journal, "first")) == 1
    die(journal)


def test_the_thread_ends_and_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps no forgotten journal alive, and is back with the next record."""
    monkeypatch.setattr("asgi_audit.journal.syncer._IDLE_SECONDS", 0.01)
    journal = begin(tmp_path, fsync="always")

    def settle() -> None:
        journal.append(record())
        settled = threading.Event()
        assert not journal.on_settled(settled.set) or settled.wait(30)

    settle()
    syncer = journal._durability._syncer
    thread = syncer._thread
    if thread is not None:  # else it has ended already
        thread.join(30)
        assert not thread.is_alive()
    assert syncer._thread is None
    settle()
    journal.sync()
    assert len(delivered(journal, "first")) == 2
    die(journal)


def test_no_thread_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the interpreter ends: records are taken all the same, and closing syncs."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    journal = begin(tmp_path)
    with monkeypatch.context() as ending:
        ending.setattr(threading.Thread, "start", refuse)
        journal.append(record())
        journal.close()
    assert len(delivered(journal, "first")) == 1
    die(journal)


def test_a_writer_that_ended_in_good_order_is_not_said_to_have_died(tmp_path: Path) -> None:
    """What it could not deliver is inherited, without a close by recovery."""
    journal = begin(tmp_path)
    given = records(2)
    for each in given:
        journal.append(each)
    journal.close()
    die(journal)
    assert [each.id for each in inherit(tmp_path)["first"]] == [each.id for each in given]


def test_what_waits_for_others_is_noted(tmp_path: Path) -> None:
    """Records for a sink that is not here any more stay, and the notes say so."""
    other = begin(tmp_path, ("renamed",))
    other.append(record())
    die(other)
    journal = begin(tmp_path)
    before = journal.notes()
    journal.look()
    assert [note for note in journal.notes() if note not in before] != []
    die(journal)
