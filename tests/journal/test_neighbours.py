"""What else stands in a journal's place, and is not ours; what stands among a dead writer's files, and is nobody's."""

import os
import shutil
from pathlib import Path

import pytest

from asgi_audit.journal.backlog import Backlog
from asgi_audit.journal.directory import WriterDirectory
from asgi_audit.journal.frame import HEADER, INTENT, RECORD, frame
from tests.contracts.journal_contract import Listening
from tests.journal.succession import LANES, begin, delivered, die, directory_of, inherit
from tests.lives.processes import in_child
from tests.samples import record


def dead_writer(place: Path, count: int = 1) -> Path:
    """The directory of somebody who has appended some records, and died."""
    journal = begin(place)
    for _ in range(count):
        journal.append(record())
    directory = directory_of(journal)
    die(journal)
    return directory


def tree(path: Path) -> dict[str, bytes | None]:
    """Everything below, with the content of the files."""
    return {
        each.relative_to(path).as_posix(): each.read_bytes() if each.is_file() else None for each in path.rglob("*")
    }


def locks() -> list[str]:
    """The lock files that this process has open."""
    opened = [file.resolve() for file in Path("/proc/self/fd").iterdir()]
    return [str(path) for path in opened if path.name == "lock"]


@pytest.mark.parametrize("name", ["leveldb", "lost+found", ".gone-fishing", ".git", "A" * 32, "0" * 33])
def test_a_directory_that_is_not_named_as_a_writers_is_left_alone(name: str, tmp_path: Path) -> None:
    """Though it has a free lock, and segments even: every file stays, and there is nothing to complain of."""
    taken = dead_writer(tmp_path)
    other = tmp_path / name
    shutil.copytree(taken, other)
    (other / "precious.db").write_text("data")
    (other / "notes").mkdir()
    os.utime(other, (0, 0))  # what is hidden and new may be about to be finished
    before = tree(other)
    assert len(inherit(tmp_path)["second"]) == 2
    assert tree(other) == before
    assert not taken.exists()


def test_a_file_with_a_writers_name_is_left_alone(tmp_path: Path) -> None:
    """A writer has a directory."""
    dead_writer(tmp_path)
    file = tmp_path / ("0" * 32)
    file.write_text("data")
    assert len(inherit(tmp_path)["first"]) == 2
    assert file.read_text() == "data"


@pytest.mark.parametrize("name", ["000001 (copy).seg", "copy.seg", "1.seg", "000001.seg.seg"])
def test_a_file_that_is_not_named_as_a_segment_stops_nobody(name: str, tmp_path: Path) -> None:
    """It is not read: what the good segments hold comes once, as everybody else's does."""
    directories = [dead_writer(tmp_path, 3) for _ in range(2)]
    for directory in directories:
        shutil.copy(directory / "000001.seg", directory / name)
    told = inherit(tmp_path)["first"]
    for directory in directories:
        assert [each.seq for each in told if each.writer == directory.name] == [0, 1, 2]
    assert [each.data for each in told if each.data and "torn" not in each.data] == []


@pytest.mark.parametrize(
    "content",
    [
        frame(HEADER, b"not JSON"),
        frame(HEADER, b'{"format":1,"writer":"w","lanes":"first","first":0}'),
        frame(RECORD, b"seven", b"-", b"{}"),
        frame(RECORD),
        frame(INTENT),
    ],
    ids=["header", "header's fields", "seq", "record's words", "intent's words"],
)
def test_a_segment_that_makes_no_sense_stops_nobody(content: bytes, tmp_path: Path) -> None:
    """Its checksums are right, and yet no version of ours has written it: it is said, and stays; others are taken."""
    odd, good = dead_writer(tmp_path), dead_writer(tmp_path)
    header = b"" if content[18:19] == HEADER else (odd / "000001.seg").read_bytes().partition(b"\n")[0] + b"\n"
    (odd / "000001.seg").write_bytes(header + content)
    os.utime(odd, (0, 0))  # it comes first
    before = tree(odd)
    listener = Listening()
    backlog = Backlog(tmp_path, LANES, listener)
    for _ in range(2):
        backlog.look()
    assert [estate.name for estate in backlog.estates] == [good.name]
    assert len(listener.troubles) == 1
    assert "can't be read, and was left alone" in listener.troubles[0]
    assert backlog.left == 1
    assert tree(odd) == before
    backlog.release()


def test_an_entry_of_an_unknown_type_is_passed_over(tmp_path: Path) -> None:
    """The records around it are delivered."""
    directory = dead_writer(tmp_path)
    segment = directory / "000001.seg"
    lines = segment.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    segment.write_bytes(b"".join([lines[0], frame(b"Z", b"what is this"), *lines[1:]]))
    told = inherit(tmp_path)["first"]
    assert [each.seq for each in told if not each.data] == [0]


def test_a_forked_child_lets_go_of_what_is_just_being_taken_over(tmp_path: Path) -> None:
    """Only the parent's life counts: its lock still holds."""
    path = dead_writer(tmp_path)
    directory = WriterDirectory.take(path)
    assert directory is not None
    built = WriterDirectory.build(tmp_path, "0" * 32)
    assert {str(path / "lock"), str(built.path / "lock")} <= set(locks())

    assert in_child(locks) == []
    assert WriterDirectory.take(path) is None
    directory.release()
    built.remove()


def test_a_journal_of_a_forked_child_takes_over_only_what_its_parent_lets_go_of(tmp_path: Path) -> None:
    """An estate is the parent's: the child has it neither locked nor to deliver."""
    dead_writer(tmp_path)
    journal = begin(tmp_path)
    journal.look()
    assert len(journal.backlog()) == 1

    def child() -> tuple[list[str], int]:
        journal.renew()
        journal.look()
        return locks(), len(journal.backlog())

    assert in_child(child) == ([], 0)
    (estate,) = journal.backlog()
    assert [each.seq for each in delivered(estate, "first")] == [0, 0]
    die(journal)
