import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record, decode
from asgi_audit.signing import SigningKey
from tests.cli.integrity.conftest import NAME


@pytest.fixture
def proof(tmp_path: Path, sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]) -> str:
    """The path of a proof of Grace's record."""
    assert main(["prove", sealed_file, sound[2].id]) == 0
    path = tmp_path / "proof.json"
    path.write_text(capsys.readouterr().out)
    return str(path)


def test_what_is_proved_is_shown(proof: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The record, and by whose word it is one of how many."""
    assert main(["check", proof, "--key", f"{key}.pub"]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    said = f"PROVED  this record is one of the 4 in the log {NAME}, signed by {NAME}\n\n"
    assert out.startswith(f"{said}DELETE /invoices/{{id}}  denied 403\n")
    assert "  actor name          Grace Hopper\n" in out


def test_what_is_left_out_is_named(
    sealed_file: str,
    tmp_path: Path,
    sound: Sequence[Record],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It comes from standard input here."""
    assert main(["prove", sealed_file, sound[2].id, "--without", "actor", "--without", "detail"]) == 0
    given = io.TextIOWrapper(io.BytesIO(capsys.readouterr().out.encode()))
    monkeypatch.setattr(sys, "stdin", given)
    assert main(["check", "-", "--key", f"{key}.pub"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1] == "not shown, or erased: actor, detail"
    assert "grace" not in out.lower()
    assert "\n  path" not in out


def test_json_is_the_record_itself(
    proof: str, sound: Sequence[Record], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as it is shown."""
    assert main(["check", proof, "--key", f"{key}.pub", "--json"]) == 0
    record = decode(capsys.readouterr().out)
    assert (record.id, record.actor, record.source) == (sound[2].id, sound[2].actor, sound[2].source)


def test_any_change_is_found(proof: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In the record, a part, the place or the checkpoint: it is not proved, for a reason that is given."""
    text = Path(proof).read_text()
    changes = {
        "denied": "failed",
        "Grace Hopper": "Ada Lovelace",
        '"index": 2': '"index": 3',
        f"{NAME}\\n4": f"{NAME}\\n5",
        '"core"': '"score"',
        "{": "",
    }
    for before, after in changes.items():
        assert before in text
        Path(proof).write_text(text.replace(before, after))
        assert main(["check", proof, "--key", f"{key}.pub"]) == 1
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("asgi-audit: not proved: ")
        assert error.count("\n") == 1


def test_only_the_keys_that_were_given_count(
    tmp_path: Path, proof: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another of the same name is none of them; one of several is enough."""
    SigningKey.generate(NAME).save(tmp_path / "other.key")
    assert main(["check", proof, "--key", str(tmp_path / "other.key.pub")]) == 1
    error = "asgi-audit: not proved: the checkpoint is signed by none of the given keys\n"
    assert capsys.readouterr() == ("", error)
    assert main(["check", proof, "--key", str(tmp_path / "other.key.pub"), "--public-key", f"{key}.pub"]) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the following arguments are required: FILE"),
        (["proof.json"], "whose word counts? give --key with the public key of the log"),
        (["none", "--key", "audit.key.pub"], "none: No such file or directory"),
        ([".", "--key", "audit.key.pub"], ".: Is a directory"),
        (["proof.json", "--key", "none"], "path='none': there is no such file"),
        (["proof.json", "--key", "audit.key"], "path='audit.key': this is the private half"),
    ],
)
def test_what_keeps_it_from_an_answer_is_no_answer(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    proof: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It has an exit code of its own."""
    monkeypatch.chdir(tmp_path)
    assert main(["check", *arguments]) == 4
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: {reason}")
    assert error.count("\n") == 1


def test_what_is_no_proof_is_not_proved(tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file, another file, another format."""
    path = tmp_path / "file"
    for content in (b"", b"\x00", b"[]", b'"' + b"\xff" * 9, json.dumps({"format": "x"}).encode()):
        path.write_bytes(content)
        assert main(["check", str(path), "--key", f"{key}.pub"]) == 1
        assert capsys.readouterr().err.startswith("asgi-audit: not proved: this is no proof: ")
