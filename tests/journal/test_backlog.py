"""What dead writers have left: who takes it, and who leaves it alone."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from asgi_audit.journal.backlog import Backlog
from asgi_audit.journal.frame import HEADER, frame
from tests.contracts.journal_contract import Listening
from tests.journal.succession import begin, closes, delivered, die, directory_of, inherit, losses
from tests.samples import record


def dead_writer(place: Path, lanes: tuple[str, ...] = ("first", "second"), count: int = 3) -> str:
    """Somebody who has appended some records, and died."""
    journal = begin(place, lanes)
    for _ in range(count):
        journal.append(record())
    writer = journal.writer
    die(journal)
    return writer


def look(place: Path, *lanes: str) -> tuple[Backlog, Listening]:
    """Take what there is for these lanes."""
    listener = Listening()
    backlog = Backlog(place, lanes, listener)
    backlog.look()
    return backlog, listener


def test_a_place_where_nobody_has_written(tmp_path: Path) -> None:
    """There is nothing to take, and nothing wrong."""
    backlog, listener = look(tmp_path / "missing", "first")
    assert list(backlog.estates) == []
    assert backlog.bytes == 0
    assert listener.troubles == []


def test_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    """Its lock is held, however its segments change."""
    journal = begin(tmp_path, fsync="never", max_bytes=2**16)
    for _ in range(40):
        journal.append(record())
    assert len(list(directory_of(journal).glob("*.seg"))) > 1
    assert list(look(tmp_path, "first", "second")[0].estates) == []
    die(journal)


def test_one_of_two_takes_it(tmp_path: Path) -> None:
    """The other finds the lock taken; once let go, it gets the rest."""
    writer = dead_writer(tmp_path)
    one, _ = look(tmp_path, "first", "second")
    two, _ = look(tmp_path, "first", "second")
    assert [estate.name for estate in one.estates] == [writer]
    assert list(two.estates) == []
    (estate,) = one.estates
    estate.acknowledge("first", estate.read("first", 1).position)
    assert estate.progress("first")[:3] == (4, 1, 1)
    one.release()
    assert estate.read("first", 1).records == []
    estate.acknowledge("first", 3)
    assert estate.progress("first") == (0, 0, 0, 0, 0, 0)
    two.look()
    assert [each.seq for each in delivered(two.estates[0], "first")] == [1, 2, 0]
    assert [each.seq for each in delivered(two.estates[0], "second")] == [0, 1, 2, 0]
    assert not (tmp_path / writer).exists()


def test_what_is_for_other_lanes_is_left_alone(tmp_path: Path) -> None:
    """Another service in the same place; it is not looked at again."""
    writer = dead_writer(tmp_path, ("other",))
    backlog, listener = look(tmp_path, "first")
    backlog.look()
    assert list(backlog.estates) == []
    assert listener.troubles == []
    assert not list((tmp_path / writer).glob("*added*"))


def test_a_lane_that_is_gone_keeps_its_records(tmp_path: Path) -> None:
    """The lanes that are still there get theirs, once; the directory stays for the other one, and its lock is free."""
    writer = dead_writer(tmp_path)
    backlog, _ = look(tmp_path, "first")
    (estate,) = backlog.estates
    assert estate.progress("second") == (0, 0, 0, 0, 0, 0)
    assert len(delivered(estate, "first")) == 4
    assert list(backlog.estates) == []
    backlog.look()
    assert list(backlog.estates) == []
    assert (tmp_path / writer).exists()
    assert len(inherit(tmp_path, ["second"])["second"]) == 4
    assert not (tmp_path / writer).exists()


def test_what_is_recovered_is_said_once(tmp_path: Path) -> None:
    """The heir dies, too: the next one goes on with the same records, and adds none."""
    dead_writer(tmp_path)
    first, _ = look(tmp_path, "first", "second")
    (close,) = [each for each in first.estates[0].read("second", 100).records if each.data]
    first.release()
    assert [each.id for each in inherit(tmp_path)["first"] if each.data] == [close.id]


def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    """It is reported once, and nothing of it is changed."""
    writer = dead_writer(tmp_path)
    segment = tmp_path / writer / "000001.seg"
    segment.write_bytes(frame(HEADER, b'{"format":2,"words":[]}') + b"?" * 100)
    before = segment.read_bytes()
    backlog, listener = look(tmp_path, "first", "second")
    backlog.look()
    assert list(backlog.estates) == []
    assert [writer in each and "newer format" in each for each in listener.troubles] == [True]
    assert segment.read_bytes() == before


def test_a_directory_that_was_never_shown(tmp_path: Path) -> None:
    """Its writer died while it made it: with nothing in it, it goes; with something, it is taken as any other."""
    writer = dead_writer(tmp_path)
    (tmp_path / writer).rename(tmp_path / f".{writer}")
    empty = tmp_path / f".{'0' * 32}"
    empty.mkdir()
    (empty / "lock").touch()
    os.utime(empty, (0, 0))  # else its writer might be about to lock it
    (tmp_path / f".gone-{'1' * 32}").mkdir()
    half_made = tmp_path / f".{'2' * 32}"
    half_made.mkdir()
    os.utime(half_made, (0, 0))
    inherited = inherit(tmp_path)
    assert len(inherited["second"]) == 4
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_taken_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is added by an attempt that fails."""
    dead_writer(tmp_path)

    def fail(file: int) -> None:
        raise OSError(errno.EIO, "no disk")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        backlog, listener = look(tmp_path, "first", "second")
        assert list(backlog.estates) == []
        assert len(listener.troubles) == 1
    assert [len(records) for records in inherit(tmp_path).values()] == [4, 4]


def test_a_cursor_that_can_not_be_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported, and costs a second delivery at most."""
    dead_writer(tmp_path)
    backlog, listener = look(tmp_path, "first", "second")
    (estate,) = backlog.estates
    with monkeypatch.context() as broken:
        broken.setattr(os, "write", lambda file, content: 1)
        estate.acknowledge("first", estate.read("first", 2).position)
    assert len(listener.troubles) == 1
    backlog.release()
    assert len(inherit(tmp_path)["first"]) == 4


def test_a_cursor_from_behind_the_end(tmp_path: Path) -> None:
    """It counts as the end of what the writer had: what recovery adds is still delivered."""
    journal = begin(tmp_path, fsync="never")
    running = record(outcome=None)
    journal.intend(running)
    for _ in range(3):
        journal.append(record())
    journal.acknowledge("first", journal.read("first", 3).position)
    segment = directory_of(journal) / "000001.seg"
    lines = segment.read_bytes().splitlines(keepends=True)
    die(journal)
    segment.write_bytes(b"".join(lines[:4]))
    inherited = inherit(tmp_path)
    assert [each.seq for each in inherited["first"]] == [0, 1, 2]
    assert inherited["first"][0].id == running.id
    assert [each.seq for each in inherited["second"]] == [0, 1, 0, 1, 2]
    for told in inherited.values():
        assert [each["records"] for each in losses(told)] == [1]
        assert [each["records"] for each in closes(told)] == [3]


def test_a_provisional_record_without_an_intent(tmp_path: Path) -> None:
    """Records that have no intent either do not end it: it is promoted."""
    journal = begin(tmp_path)
    provisional, other = record(), record()
    journal.hold(provisional)
    journal.append(other)
    die(journal)
    assert [each.id for each in inherit(tmp_path)["first"]][:2] == [other.id, provisional.id]


def test_a_writer_that_began_again_has_given_up_nothing(tmp_path: Path) -> None:
    """After a close that left nothing behind it goes on at its position; what was stored is not taken for lost."""
    journal = begin(tmp_path)
    for _ in range(3):
        journal.append(record())
    journal.sync()
    for lane in ("first", "second"):
        delivered(journal, lane)
    journal.close()
    assert list(tmp_path.iterdir()) == []
    journal.append(record())
    die(journal)
    told = inherit(tmp_path)["first"]
    assert [each.seq for each in told] == [3, 0]
    assert losses(told) == []


def test_a_lane_that_was_too_far_behind(tmp_path: Path) -> None:
    """What had made room is declared for that lane, with where the hole ends."""
    journal = begin(tmp_path, fsync="never", max_bytes=2**14)
    count = 0
    while journal.progress("second").given_up == 0:
        journal.append(record())
        journal.acknowledge("first", journal.read("first", 1).position)
        count += 1
    given_up = journal.progress("second").given_up
    die(journal)
    told = inherit(tmp_path)["second"]
    (loss,) = losses(told)
    assert (loss["sink"], loss["records"], loss["until"]) == ("second", given_up, given_up)
    assert [each.seq for each in told][: count - given_up] == list(range(given_up, count))


def test_an_added_segment_with_a_damaged_header_is_made_again(tmp_path: Path) -> None:
    """All that it said can be found out again."""
    writer = dead_writer(tmp_path)
    backlog, _ = look(tmp_path, "first", "second")
    backlog.release()
    (added,) = (tmp_path / writer).glob("*added*")
    content = bytearray(added.read_bytes())
    content[20] ^= 1
    added.write_bytes(content)
    assert [each.seq for each in inherit(tmp_path)["first"]] == [0, 1, 2, 0]


def test_a_segment_without_records_and_header_costs_no_other_its_records(tmp_path: Path) -> None:
    """It begins where the one before ends, though it does not say so."""
    writer = dead_writer(tmp_path)
    (tmp_path / writer / "000002.seg").write_bytes(b"\xff" * 100 + b"\n")
    assert [each.seq for each in inherit(tmp_path)["first"]] == [0, 1, 2, 0, 1]


def test_no_segment_is_left(tmp_path: Path) -> None:
    """Somebody has deleted them: those who found the directory are told that its writer is dead, and it goes."""
    writer = dead_writer(tmp_path)
    (tmp_path / writer / "000001.seg").unlink()
    assert [msgspec.to_builtins(each.data) for each in inherit(tmp_path)["first"]] == [
        {"writer": writer, "records": 0, "interrupted": 0, "torn": 0, "found": "recovery"}
    ]
    assert list(tmp_path.iterdir()) == []
