import re
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.cli.exits import Exit
from asgi_audit.signing import SigningKey, VerifierKey


def test_a_key_is_made_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both halves are there, the public one is printed, and the next step can be copied."""
    path = tmp_path / "my audit.key"
    assert main(["keygen", "--out", str(path), "--name", "audit.example.com/billing"]) == 0
    public = VerifierKey.load(f"{path}.pub")
    assert SigningKey.load(path).verifier == public
    out, error = capsys.readouterr()
    assert error == ""
    assert str(public) in out.splitlines()
    assert f"asgi-audit seal URL --key '{path}' --anchor …" in out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "the following arguments are required: --out"),
        (["--out", "there"], "path='there': is there already, and no key is ever overwritten"),
        (["--out", "nowhere/key"], "path='nowhere/key': can't be written: No such file or directory"),
        (["--out", "new", "--name", "a b"], "name='a b': the name of a key has no ' '"),
        (["--out", "new", "--name", ""], "name='': the name of a key is not empty"),
    ],
)
def test_a_key_that_cannot_be_made_is_a_wrong_argument(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is written, and the line says what is wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    assert main(["keygen", *arguments]) == Exit.USAGE
    out, error = capsys.readouterr()
    assert out == ""
    assert re.match(f"asgi-audit: {re.escape(reason)}", error)
    assert error.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["there"]
