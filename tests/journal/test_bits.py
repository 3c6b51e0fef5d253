"""Every single bit that can be wrong, one after the other."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asgi_audit.ids import IdSource
from asgi_audit.journal import FileJournal
from asgi_audit.record import VERSION, Kind, Outcome, Record
from tests.journal.succession import LANES, begin, closes, content_of, die, directory_of, inherit, losses

_STEP = 53  # when sampled; odd, so that each of a byte's eight bits has its turn
_ZEROS = bytes(100)  # as behind what was written to a preallocated file
_ids = IdSource()

Script = Callable[[FileJournal], None]


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of recoveries, of which none need outlast a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def small(number: int) -> Record:
    """A record with few bits."""
    return Record(v=VERSION, id=_ids.new_id(), kind=Kind.EVENT, time=datetime.now(UTC), action=f"{number}")


def three_records(journal: FileJournal) -> None:
    """Records alone."""
    for number in range(3):
        journal.append(small(number))


def intents(journal: FileJournal) -> None:
    """One request that has ended, and one that runs."""
    done, running = small(0), small(1)
    journal.intend(done)
    journal.intend(running)
    journal.append(done, done.id)


def provisional(journal: FileJournal) -> None:
    """One that runs, with a provisional record."""
    running = small(0)
    journal.intend(running)
    journal.hold(running, running.id)
    journal.append(small(1))


def withdrawn(journal: FileJournal) -> None:
    """One that is not to be recorded."""
    running = small(0)
    journal.intend(running)
    journal.cancel(running.id)
    journal.append(small(1))


def flips(content: bytes, step: int) -> Iterator[tuple[int, bytes]]:
    """The content with each of its bits flipped (or every so manieth), and which byte that was."""
    for bit in range(0, 8 * len(content), step):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(flipped)


def meaning(lines: list[bytes]) -> tuple[set[tuple[str, int]], set[str], set[str]]:
    """What these lines say, read by other code than the journal's: records with `seq`, promoted and interrupted ids."""
    records: set[tuple[str, int]] = set()
    running: dict[str, str] = {}
    for line in lines:
        words = line[18:].decode().split()
        if words[0] == "I":
            running.setdefault(words[1], "interrupted")
        elif words[0] == "P":
            running[words[1]] = "promoted"
        elif words[0] == "X":
            running.pop(words[1], None)
        elif words[0] == "R":
            records.add((line.partition(b'"id":"')[2][:36].decode(), int(words[1])))
            running.pop(words[2], None)
    ends = [{key for key, end in running.items() if end == wanted} for wanted in ("promoted", "interrupted")]
    return records, ends[0], ends[1]


@pytest.mark.parametrize("script", [three_records, intents, provisional, withdrawn])
def test_any_flipped_bit_of_a_segment(script: Script, full: bool, tmp_path: Path) -> None:
    """It costs one entry at most. The others are delivered as they were written; the damage is declared, and kept.

    A damaged header costs nothing but itself, a damaged line break neither of its neighbours.
    """
    journal = begin(tmp_path / "origin", fsync="never")
    script(journal)
    segment = directory_of(journal) / "000001.seg"
    writer, whole = journal.writer, content_of(segment)
    appended = {line[line.index(b"{") : -1] for line in whole.splitlines(keepends=True) if b"{" in line}
    die(journal)
    lines = whole.splitlines(keepends=True)
    ends = [sum(map(len, lines[: number + 1])) for number in range(len(lines))]
    place = tmp_path / "place"
    dead = place / writer
    for at, flipped in flips(whole, 1 if full else _STEP):
        shutil.rmtree(place, ignore_errors=True)
        dead.mkdir(parents=True)
        (dead / "lock").touch()
        (dead / "000001.seg").write_bytes(flipped + _ZEROS)
        inherited = inherit(place)
        hit = next(number for number, end in enumerate(ends) if at < end)
        line_break = at == ends[hit] - 1
        survivors = [line for number, line in enumerate(lines) if number != hit or line_break]
        records, promoted, interrupted = meaning(survivors)
        for lane in LANES:
            told = inherited[lane]
            own = [each for each in told if each.writer == writer]
            added = [each for each in told if each.writer != writer and each.kind is Kind.EVENT]
            assert {(each.id, each.seq) for each in own} == records
            assert len(own) == len(records)
            assert {each.id for each in added if each.outcome is Outcome.INTERRUPTED} == interrupted
            assert {each.id for each in added if each.outcome is not Outcome.INTERRUPTED} == promoted
            for each in [*own, *added]:
                assert _as_written(each) in appended
            (loss,) = losses(told)
            assert loss["entries"] in {1, 2}  # two, where a byte has become a line break
            assert closes(told) == [
                {
                    "writer": writer,
                    "records": max((seq + 1 for _, seq in records), default=0),
                    "interrupted": len(interrupted),
                    "torn": 0,
                    "found": "recovery",
                }
            ]
        start = at if line_break else ends[hit] - len(lines[hit])
        kept = b"".join(file.read_bytes() for file in (place / "quarantine").iterdir())
        assert kept == flipped[start : ends[hit]]
        assert not dead.exists()


def _as_written(each: Record) -> bytes:
    """Without what the journal adds."""
    fields = {name: getattr(each, name) for name in each.__struct_fields__}
    return Record(**fields | {"writer": None, "seq": None, "outcome": None}).to_json()


def test_any_flipped_bit_of_the_cursors(tmp_path: Path) -> None:
    """No lane misses a record: it goes on where it was, or where it was before."""
    journal = begin(tmp_path / "origin", fsync="never")
    three_records(journal)
    for lane, position in [("first", 1), ("second", 1), ("first", 2)]:
        journal.read(lane, position - journal.progress(lane).acknowledged)
        journal.acknowledge(lane, position)
    directory = directory_of(journal)
    writer = journal.writer
    segment, cursors = content_of(directory / "000001.seg"), (directory / "cursors").read_bytes()
    die(journal)
    place = tmp_path / "place"
    dead = place / writer
    for _, flipped in flips(cursors, 1):
        shutil.rmtree(place, ignore_errors=True)
        dead.mkdir(parents=True)
        (dead / "lock").touch()
        (dead / "000001.seg").write_bytes(segment)
        (dead / "cursors").write_bytes(flipped)
        inherited = inherit(place)
        starts = []
        for lane in LANES:
            seqs = [each.seq for each in inherited[lane] if each.writer == writer]
            starts.append(3 - len(seqs))
            assert seqs == list(range(starts[-1], 3))
            assert not losses(inherited[lane])
        assert starts in ([2, 1], [1, 1], [0, 1], [2, 0])
        assert not dead.exists()
