import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import Seal
from tests.cli.integrity.test_verify import change

REST = (
    "Not reached: what still waits in a journal (asgi-audit journal ls), rejected.jsonl, other sinks, backups. "
    "Run it again for records that arrive later.\n"
)
FOR_CERTAIN = ["--reason", "request 2026-117", "--yes"]


def test_first_it_only_says_what_it_would_do(
    sealed: str, key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is erased without --yes, and no reason is needed."""
    assert main(["erase", sealed, "--actor", "grace"]) == 0
    out, error = capsys.readouterr()
    assert re.fullmatch(r"Would erase the part actor of 1 record in (sqlite|postgresql)://\S+; --yes does it.\n", out)
    assert error == ""
    assert main(["log", sealed, "--actor", "grace", "--json"]) == 0
    assert "Grace Hopper" in capsys.readouterr().out


def test_what_is_erased_is_gone_and_the_log_still_verifies(
    sealed: str, sound: Sequence[Record], key: str, anchor: str, seal: Seal, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is on record, and no filter finds the person any more."""
    assert main(["erase", sealed, "--actor", "grace", *FOR_CERTAIN]) == 0
    out, error = capsys.readouterr()
    found = re.fullmatch(r"Erased the part actor of 1 record.\nRecorded as (\S{36}).\n", out)
    assert found is not None
    assert error == REST
    assert main(["log", sealed, "--actor", "grace", "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["show", sealed, sound[2].id]) == 0
    shown = capsys.readouterr().out
    assert "grace" not in shown.lower()
    assert "invoice" in shown
    assert main(["show", sealed, found[1], "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)
    assert entry["reason"] == "request 2026-117"
    assert entry["data"] == {"parts": ["actor"], "records": [sound[2].id]}
    seal(sealed)
    assert main(["verify", sealed, "--anchor", anchor, "--key", f"{key}.pub"]) == 0
    assert "  erased      actor of 1 record\n" in capsys.readouterr().out


def test_again_it_finds_nothing(sealed_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """That is no error, and leaves no record."""
    assert main(["erase", sealed_file, "--actor", "grace", *FOR_CERTAIN]) == 0
    capsys.readouterr()
    assert main(["erase", sealed_file, "--actor", "grace", *FOR_CERTAIN]) == 0
    assert capsys.readouterr() == ("Erased the part actor of 0 records.\n", REST)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        (["detail"], "the part detail"),
        (["detail", "actor"], "the parts actor and detail"),
        (["target", "detail", "actor", "target"], "the parts actor, target and detail"),
    ],
)
def test_any_parts_may_go(
    parts: Sequence[str],
    named: str,
    sealed_file: str,
    sound: Sequence[Record],
    anchor: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a record that is named by the beginning of its id, here."""
    chosen = [word for part in parts for word in ("--part", part)]
    assert main(["erase", sealed_file, "--id", sound[2].id[:18], *chosen, *FOR_CERTAIN]) == 0
    assert capsys.readouterr().out.startswith(f"Erased {named} of 1 record.\n")
    assert main(["verify", sealed_file, "--anchor", anchor]) == 0
    out = capsys.readouterr().out
    assert [part in out.partition("erased ")[2] for part in parts] == [True] * len(parts)


def test_filters_and_ids_must_both_match(
    sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """As all filters must."""
    both = ["--id", sound[1].id, "--id", sound[2].id]
    for filters, count in ([], "2 records"), (["--outcome", "denied"], "1 record"), (["--status", "404"], "0 records"):
        assert main(["erase", sealed_file, *both, *filters]) == 0
        assert f" of {count} in " in capsys.readouterr().out


def test_a_tampered_record_stops_it(
    sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """It would destroy the evidence."""
    change(sealed_file, "UPDATE audit_records SET ip = '203.0.113.9' WHERE seq = 2")
    assert main(["erase", sealed_file, "--until", "now", *FOR_CERTAIN]) == 3
    out, error = capsys.readouterr()
    assert out == ""
    said = "the column ip is not what the actor says; `asgi-audit verify` tells more"
    assert error == f"asgi-audit: stopped at record {sound[2].id}: {said}\n"
    assert main(["log", sealed_file, "--own", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_its_own_record_has_a_mac_if_there_is_a_secret(
    tmp_path: Path, sealed_file: str, anchor: str, seal: Seal
) -> None:
    """So that a verifier with the secret takes it for ours, though the others had none yet."""
    (tmp_path / "secret").write_text("0123456789abcdef" * 2)
    secret = ["--mac", str(tmp_path / "secret")]
    assert main(["erase", sealed_file, "--actor", "grace", *FOR_CERTAIN, *secret]) == 0
    seal(f"sqlite:///{sealed_file}")
    assert main(["verify", sealed_file, "--anchor", anchor, *secret, "--mac-from", "4"]) == 0


def test_records_may_be_erased_before_they_are_sealed(
    tmp_path: Path, store: Store, sound: Sequence[Record], anchor: str, seal: Seal
) -> None:
    """They are sealed as they are then."""
    path = tmp_path / "a.db"
    store(f"sqlite:///{path}", sound)
    assert main(["erase", str(path), "--actor", "grace", *FOR_CERTAIN]) == 0
    seal(f"sqlite:///{path}")
    assert main(["verify", str(path), "--anchor", anchor]) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        ([], 2, "which database? give a URL"),
        (["none.db", "--actor", "x"], 2, "url='sqlite:///none.db': there is no such file"),
        (["empty.db", "--actor", "x"], 3, "the database has no audit tables"),
        (["audit.db"], 2, "which records? give --actor, another filter, or --id"),
        (["audit.db", "--actor", "x", "--yes"], 2, "say why, with --reason: it stays in the trail for ever"),
        (["audit.db", "--actor", "x", "--yes", "--reason", " "], 2, "say why, with --reason"),
        (["audit.db", "--since", "soon"], 2, "--since: 'soon' is no point in time"),
        (["audit.db", "--status", "9999"], 2, "status='9999': give a status"),
        (["audit.db", "--part", "core", "--actor", "x"], 2, "argument --part: invalid choice: 'core'"),
        (["audit.db", "--own"], 2, "unrecognized arguments: --own"),
        (["audit.db", "--id", "0123"], 2, "'0123' is no record id, nor 8 or more characters of one"),
        (["audit.db", "--id", "00000000"], 1, "no record's id begins with 00000000"),
        (["audit.db", "--actor", "x", "--mac", "none"], 2, "mac='none': it can't be read"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    arguments: list[str],
    code: int,
    reason: str,
    tmp_path: Path,
    sealed_file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each with its exit code."""
    monkeypatch.delenv("ASGI_AUDIT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.db").touch()
    assert main(["erase", *arguments]) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1
