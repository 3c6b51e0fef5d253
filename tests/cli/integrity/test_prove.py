import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Actor, Record
from tests.cli.conftest import Store
from tests.cli.integrity.conftest import NAME, Seal
from tests.cli.integrity.test_verify import change
from tests.cli.sample import a_record


def test_a_proof_says_what_the_record_says_and_where_it_stands(
    sealed: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON that people can read, too; the record is found by the beginning of its id."""
    assert main(["prove", sealed, sound[2].id[:18]]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    proof = json.loads(out)
    assert proof["checkpoint"].startswith(f"{NAME}\n4\n")
    assert json.loads(proof["core"])["id"] == sound[2].id
    assert json.loads(proof["parts"]["actor"]["text"])["actor"]["id"] == "grace"
    assert sorted(proof["parts"]) == ["actor", "detail", "target"]
    assert (proof["index"], len(proof["hashes"])) == (2, 2)


def test_parts_may_be_left_out(sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of them is in the proof, nor what a guess could be tried with."""
    assert main(["prove", sealed_file, sound[2].id, "--without", "actor", "--without", "detail"]) == 0
    out = capsys.readouterr().out
    assert list(json.loads(out)["parts"]) == ["target"]
    assert "grace" not in out.lower()
    assert "192.0.2.1" not in out


def test_an_erased_part_is_not_in_the_proof(
    sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest can still be proved."""
    assert main(["erase", sealed_file, "--actor", "grace", "--reason", "asked to", "--yes"]) == 0
    capsys.readouterr()
    assert main(["prove", sealed_file, sound[2].id]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["parts"]) == ["detail", "target"]


def test_a_checkpoint_without_a_signature_proves_nothing_to_others(
    trail: str, story: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """The proof is printed, and what it lacks is said."""
    assert main(["seal", trail]) == 0
    capsys.readouterr()
    assert main(["prove", trail, story[1].id]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out)["index"] == 1
    assert error == "The checkpoint is not signed: nobody else can check this proof.\n"


def test_a_record_that_is_not_sealed_has_no_proof(
    trail: str, story: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor has one that is not there."""
    assert main(["prove", trail, story[1].id]) == 1
    assert capsys.readouterr() == ("", "asgi-audit: the record is not sealed yet: `asgi-audit seal` does it\n")
    assert main(["prove", trail, "00000000-0000"]) == 1
    assert "no record's id begins with 00000000-0000" in capsys.readouterr().err
    assert main(["prove", trail, "0000"]) == 2
    assert main(["prove", "none.db", "00000000"]) == 2


def test_what_was_changed_is_not_proved(
    sealed_file: str, sound: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody would believe it."""
    change(sealed_file, "UPDATE audit_records SET core = replace(core, 'denied', 'success')")
    assert main(["prove", sealed_file, sound[2].id]) == 3
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(f"asgi-audit: stopped at record {sound[2].id}: the core is not what was sealed; ")


def test_a_proof_is_utf_8_whatever_the_terminal_s_encoding(
    tmp_path: Path, store: Store, seal: Seal, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would prove nothing."""
    record = a_record(actor=Actor("Zoë"))
    store(f"sqlite:///{tmp_path}/a.db", [record])
    seal(f"sqlite:///{tmp_path}/a.db")
    with (tmp_path / "proof").open("w", encoding="latin-1") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert main(["prove", str(tmp_path / "a.db"), record.id]) == 0
        monkeypatch.undo()
    assert main(["check", str(tmp_path / "proof"), "--key", f"{key}.pub"]) == 0
