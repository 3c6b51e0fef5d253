import fcntl
import json
from pathlib import Path

import msgspec
import pytest

from asgi_audit import AuditTrail
from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.journal import FileJournal
from asgi_audit.journal.frame import HEADER, frame
from asgi_audit.testing import MemorySink
from tests.cli.writers import dead, directories, living, run


def facts(place: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What `ls --json` says of each writer."""
    assert main(["journal", "ls", str(place), "--json"]) == Exit.OK
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def of_the_future(place: Path) -> Path:
    """A writer's directory in a format that does not exist yet."""
    directory = place / ("f" * 32)
    directory.mkdir(parents=True)
    (directory / "lock").touch()
    (directory / "000001.seg").write_bytes(frame(HEADER, msgspec.json.encode({"format": 2})))
    return directory


@pytest.mark.parametrize("verb", ["", "ls", "cat", "ship"])
def test_help_is_there_for_each_verb(verb: str) -> None:
    """`--help` lists what may be given."""
    ended = run(*([verb] if verb else []), "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: asgi-audit journal {verb}".rstrip())


def test_a_dead_writer_is_listed_with_what_it_has_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Per sink, since when, and what to do about it; the request that was running counts as begun."""
    left = dead(tmp_path, "one", "two", path="/invoices/7")
    assert main(["journal", "ls", str(tmp_path)]) == Exit.OK
    out, error = capsys.readouterr()
    titles, row = out.splitlines()
    assert titles.split() == ["writer", "state", "since", "begun", "damaged", "size", "pending"]
    assert row.startswith(f"{left.name[:8]}  dead")
    assert row.endswith("4 for one, 4 for two")
    assert error.startswith("A dead writer has left something: ")
    assert "asgi-audit journal ship" in error
    (said,) = facts(tmp_path, capsys)
    assert (said["begun"], said["damaged"], said["state"]) == (1, 0, "dead")
    assert said["writer"] == left.name
    assert said["pending"] == {"one": 4, "two": 4}
    assert said["journal"] == str(tmp_path)


def test_looking_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a byte of what a dead writer has left."""
    left = dead(tmp_path, "one", path="/invoices/7")
    before = {path.name: path.read_bytes() for path in left.iterdir()}
    facts(tmp_path, capsys)
    assert main(["journal", "cat", str(tmp_path), "--intents"]) == Exit.OK
    assert {path.name: path.read_bytes() for path in left.iterdir()} == before
    assert directories(tmp_path) == [left]


def test_a_living_writer_is_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And as dead as soon as it is; looking does not disturb it."""
    with living(tmp_path, "one", path="/invoices/7"):
        for _ in range(2):
            (said,) = facts(tmp_path, capsys)
            assert (said["state"], said["pending"], said["begun"]) == ("live", {"one": 4}, 1)
    (said,) = facts(tmp_path, capsys)
    assert said["state"] == "dead"


def test_who_looks_is_not_taken_for_a_writer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two may look at the same moment."""
    left = dead(tmp_path, "one")
    with (left / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        (said,) = facts(tmp_path, capsys)
    assert said["state"] == "dead"


def test_what_is_being_delivered_is_shown_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dead writer's directory that another process has taken over is nobody else's to ship."""
    left = dead(tmp_path, "one", path="/invoices/7")
    (segment,) = left.glob("*.seg")
    url = f"sqlite:///{tmp_path}/audit.db"
    assert main(["journal", "ship", str(tmp_path), "--to", "postgresql://127.0.0.1:9/x", "--lane", "one"]) == 3
    capsys.readouterr()
    with (left / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (said,) = facts(tmp_path, capsys)
        assert (said["state"], said["pending"], said["begun"]) == ("adopted", {"one": 6}, 0)
        assert main(["journal", "ship", str(tmp_path), "--to", url, "--lane", "one"]) == Exit.OK
        assert "Left alone: 1 adopted." in capsys.readouterr().err
    assert segment.exists()


def test_nothing_pending_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether there is no writer, or one that has delivered all."""
    assert main(["journal", "ls", str(tmp_path)]) == Exit.OK
    out, error = capsys.readouterr()
    assert out == ""
    assert error == f"Nothing is pending: no writer has left anything in {tmp_path}.\n"
    with AuditTrail(MemorySink(), journal=FileJournal(tmp_path)) as trail:
        trail.event("a")
        trail.flush()
        assert main(["journal", "ls", str(tmp_path), "--local"]) == Exit.OK
        out, error = capsys.readouterr()
        assert len(out.splitlines()) == 2
        assert error == "Nothing is pending.\n"
    assert facts(tmp_path, capsys) == []


def test_damage_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is lost does not wait; the rest does, for each sink from where it stands."""
    left = dead(tmp_path, "one", "two", count=5)
    (segment,) = left.glob("*.seg")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:2], b"x" * 30 + b"\n", *lines[3:]]))
    (said,) = facts(tmp_path, capsys)
    assert (said["pending"], said["damaged"]) == ({"one": 5, "two": 5}, 1)
    assert main(["journal", "ls", str(tmp_path)]) == Exit.OK
    assert "  1        " in capsys.readouterr().out


def test_a_newer_format_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not taken for nothing."""
    of_the_future(tmp_path)
    assert main(["journal", "ls", str(tmp_path)]) == Exit.OK
    out, error = capsys.readouterr()
    assert "newer format" in out
    assert error == ""


def test_what_cannot_be_read_is_shown_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory without its lock, which nobody can take over; segments that are none."""
    without_lock = dead(tmp_path, "one")
    (without_lock / "lock").unlink()
    (tmp_path / ("a" * 32) / "000001.seg").mkdir(parents=True)
    (tmp_path / ("b" * 32)).mkdir()
    (tmp_path / ("b" * 32) / "000001.seg").symlink_to(tmp_path / "nowhere")
    (tmp_path / ("c" * 32)).symlink_to(tmp_path / "gone")
    reasons = {str(said["writer"])[0]: said.get("reason") for said in facts(tmp_path, capsys)}
    assert reasons == {without_lock.name[0]: "lock is missing", "a": "Is a directory", "b": "000001.seg is missing"}
    assert main(["journal", "ls", str(tmp_path)]) == Exit.OK
    assert capsys.readouterr().out.count("is missing") == 2


def test_a_writer_that_died_before_it_had_a_name_is_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless there is nothing in its directory yet: that may be about to be made."""
    left = dead(tmp_path, "one")
    left.rename(tmp_path / f".{left.name}")
    (tmp_path / f".{'e' * 32}").mkdir()
    (said,) = facts(tmp_path, capsys)
    assert (said["writer"], said["state"]) == (left.name, "dead")


def test_the_journals_beside_a_database_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the path of the file, by its URL, by the environment; whether the file is there or not."""
    first, second = tmp_path / "audit.db.journal-01234567", tmp_path / "audit.db.journal-89abcdef"
    left = {dead(first, "one").name, dead(second, "one").name}
    monkeypatch.setenv("ASGI_AUDIT_URL", f"sqlite:///{tmp_path}/audit.db")
    for arguments in ([str(tmp_path / "audit.db")], [f"sqlite:///{tmp_path}/audit.db"], []):
        assert main(["journal", "ls", "--json", *arguments]) == Exit.OK
        assert {json.loads(line)["writer"] for line in capsys.readouterr().out.splitlines()} == left
    (tmp_path / "other.db").touch()
    assert main(["journal", "ls", str(tmp_path / "other.db")]) == Exit.OK
    assert capsys.readouterr().err.startswith(f"There is no journal beside {tmp_path}/other.db; if the application")
    assert main(["journal", "ls", str(first)]) == main(["journal", "ls", str(tmp_path / "audit.db")]) == Exit.OK
    assert "2 dead writers have left something" in capsys.readouterr().err


def test_the_journals_of_a_server_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the state directory, those that keep something for this sink. A user without a home has none."""
    state = tmp_path / "state" / "asgi-audit"
    left = dead(state / "shop-01234567", "postgresql://db/audit")
    dead(state / "other-01234567", "postgresql://db/other")
    assert main(["journal", "ls", "--json", "postgresql://me:hunter2@db/audit"]) == Exit.OK
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["writer"] == left.name
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", _homeless)
    assert main(["journal", "ls", "postgresql://me:hunter2@db/audit"]) == Exit.OK
    assert capsys.readouterr().err.startswith("There is no journal of postgresql://db/audit in ")


def _homeless() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_what_is_no_journal_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was given, what it is, and what to give instead."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").touch()
    (tmp_path / "damaged" / "quarantine").mkdir(parents=True)
    (tmp_path / "a.db.journal-01234567").touch()
    writer = tmp_path / ("a" * 32)
    writer.mkdir()
    cases: list[tuple[list[str], Exit, str]] = [
        ([], Exit.USAGE, "which journal? give its directory"),
        ([str(tmp_path / "none")], Exit.USAGE, "there is no such directory, and no such database"),
        ([str(tmp_path / "etc")], Exit.USAGE, "is no journal: no writer has a directory in it"),
        ([str(writer)], Exit.USAGE, f"is one writer's directory: give the one around it, {tmp_path}"),
        ([str(tmp_path / "a.db")], Exit.DATABASE, "Not a directory"),
        (["mongodb://x/y"], Exit.USAGE, "no sink is known for this scheme"),
    ]
    for arguments, code, reason in cases:
        assert main(["journal", "ls", *arguments]) == code
        out, error = capsys.readouterr()
        assert out == ""
        assert reason in error
        assert error.count("\n") == 1
    assert main(["journal", "ls", str(tmp_path / "damaged")]) == Exit.OK
