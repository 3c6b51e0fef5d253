import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_audit import AuditTrail
from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.errors import FlushTimeout
from asgi_audit.journal import FileJournal, survey
from asgi_audit.journal.survey import Sighting
from asgi_audit.testing import FailingSink, MemorySink
from tests.cli.test_journal_ls import of_the_future
from tests.cli.writers import dead, living


def records(place: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """What `cat` prints."""
    assert main(["journal", "cat", str(place), *arguments]) == Exit.OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_records_are_printed_in_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As they will be stored, with their writer and number, one writer after the other."""
    left = [dead(tmp_path, "one").name, dead(tmp_path, "one", count=1).name]
    found = records(tmp_path, capsys)
    assert [(each["writer"], each["seq"], each["action"]) for each in found] == [
        *((left[0], seq, action) for seq, action in enumerate(["trail.open", *["invoice.pay"] * 3])),
        *((left[1], seq, action) for seq, action in enumerate(["trail.open", "invoice.pay"])),
    ]
    assert {each["writer"] for each in records(tmp_path, capsys, "--writer", left[1][:8].upper())} == {left[1]}


def test_what_has_begun_is_printed_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no number yet, and no outcome; of a writer that lives it may get both."""
    with living(tmp_path, "one", path="/invoices/7"):
        assert len(records(tmp_path, capsys)) == 4
        intent = records(tmp_path, capsys, "--intents")[-1]
    assert intent["request"] == {"method": "DELETE", "path": "/invoices/7"}
    assert "seq" not in intent
    assert "outcome" not in intent
    assert records(tmp_path, capsys, "--intents")[-1] == intent


def test_a_provisional_record_stands_for_its_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has a status, and no number yet."""
    dead(tmp_path, "one", path="/failing")
    assert len(records(tmp_path, capsys)) == 4
    (provisional,) = [each for each in records(tmp_path, capsys, "--intents") if "seq" not in each]
    assert provisional["response"] == {"status": 500, "size": 0}


@pytest.fixture
def half_delivered(tmp_path: Path) -> Iterator[AuditTrail]:
    """A living trail whose first sink has all of three records, its second one none."""
    trail = AuditTrail(MemorySink(), FailingSink(), journal=FileJournal(tmp_path, fsync="never"))
    trail.event("a")
    trail.event("b")
    pending: dict[str, int] = {}
    while pending != {"failing": 3}:
        with pytest.raises(FlushTimeout) as late:
            trail.flush(timeout=0.1)
        pending = late.value.pending
    yield trail
    trail.close(timeout=0)


def test_what_waits_can_be_told_from_what_does_not(
    tmp_path: Path, half_delivered: AuditTrail, capsys: pytest.CaptureFixture[str]
) -> None:
    """For any sink, and for one."""
    assert half_delivered.stats().accepted == 3
    assert len(records(tmp_path, capsys)) == 3
    assert len(records(tmp_path, capsys, "--pending")) == 3
    assert len(records(tmp_path, capsys, "--lane", "failing")) == 3
    assert records(tmp_path, capsys, "--lane", "memory") == []
    assert main(["journal", "cat", str(tmp_path), "--lane", "x"]) == Exit.USAGE
    assert capsys.readouterr().err == "asgi-audit: --lane x: nothing is kept for it; there is failing, memory\n"


def test_a_sink_that_a_writer_does_not_know_has_nothing_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Writers of one place need not have the same sinks."""
    left = dead(tmp_path, "one")
    dead(tmp_path, "two")
    assert {each["writer"] for each in records(tmp_path, capsys, "--lane", "one")} == {left.name}


def test_damage_is_passed_over_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The neighbours are printed; an entry that was never written whole is said, too, unless its writer lives."""
    left = dead(tmp_path, "one")
    (segment,) = left.glob("*.seg")
    lines = segment.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], b"broken\n", *lines[3:], b"cut"]))
    assert main(["journal", "cat", str(tmp_path)]) == Exit.OK
    out, error = capsys.readouterr()
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [0, 2, 3]
    assert error.splitlines() == [
        f"asgi-audit: {left}: a damaged entry in 000001.seg was passed over (7 bytes)",
        f"asgi-audit: {left}: the last entry was never written whole (3 bytes)",
    ]


def test_what_cannot_be_read_does_not_stop_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said, and the exit code says so."""
    future = of_the_future(tmp_path)
    (tmp_path / ("a" * 32) / "000001.seg").mkdir(parents=True)
    dead(tmp_path, "one")
    assert main(["journal", "cat", str(tmp_path)]) == Exit.DATABASE
    out, error = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert f"asgi-audit: {future}: of a newer format, which this version of asgi-audit can't read\n" in error
    assert f"{'a' * 32}: Is a directory\n" in error


def test_a_file_that_becomes_unreadable_meanwhile_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever happens to it, there is no traceback."""
    left = dead(tmp_path, "one")
    (segment,) = left.glob("*.seg")

    class Saboteur(io.StringIO):
        def write(self, text: str) -> int:
            if segment.is_file():
                segment.unlink()
                segment.mkdir()
            return super().write(text)

    monkeypatch.setattr(survey, "_CHUNK", 2)
    monkeypatch.setattr(sys, "stdout", Saboteur())
    assert main(["journal", "cat", str(tmp_path)]) == Exit.DATABASE
    assert capsys.readouterr().err == f"asgi-audit: {left}: Is a directory\n"


def test_a_reader_that_goes_away_ends_it_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`asgi-audit journal cat | head` is no error."""
    dead(tmp_path, "one")
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert main(["journal", "cat", str(tmp_path)]) == Exit.BROKEN_PIPE
    monkeypatch.undo()
    assert capsys.readouterr().err == ""


def test_a_writer_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With an exit code of its own, for scripts. A place without writers has no records."""
    assert records(tmp_path, capsys) == []
    assert main(["journal", "cat", str(tmp_path), "--writer", "77"]) == Exit.NOT_FOUND
    assert capsys.readouterr().err == "asgi-audit: no writer's id begins with 77\n"


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sighting]:
    """A living writer with several segments, seen once, whose records are read two at a time."""
    monkeypatch.setattr(survey, "_CHUNK", 2)
    trail = AuditTrail(FailingSink(), journal=FileJournal(tmp_path, fsync="never", max_bytes=2**15))
    for number in range(40):
        trail.event("a", data={"number": number})
    (sighting,) = survey.survey(tmp_path)
    yield sighting
    trail.close(timeout=0)


def test_reading_goes_on_behind_what_is_delivered_meanwhile(long: Sighting) -> None:
    """Whose files may go between two looks into them."""
    found = long.records(0)
    assert [next(found).seq, next(found).seq] == [0, 1]
    segments = sorted(long.path.glob("*.seg"))
    assert len(segments) > 2
    for segment in segments[:2]:
        segment.unlink()
    rest = [record.seq for record in found]
    assert rest == list(range(rest[0] or 0, long.end))
    assert 2 < len(rest) < 39


def test_reading_ends_when_all_is_delivered_meanwhile(long: Sighting) -> None:
    """What is nowhere any more has been stored."""
    found = long.records(0)
    next(found)
    for segment in long.path.glob("*.seg"):
        segment.unlink()
    assert len(list(found)) == 1
