"""What needs which package: whoever only verifies a bundle or a proof installs as little as possible."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record
from tests.cli.test_program import without
from tests.lives.processes import run_script

VERBS = ["keygen", "seal", "verify", "export", "prove", "check", "erase", "purge"]


@pytest.mark.parametrize("package", ["sqlalchemy", "cryptography"])
def test_help_needs_neither(package: str) -> None:
    """Nothing is imported for it that may be missing, for no verb."""
    script = f"""
    import sys
    sys.modules[{package!r}] = None
    from asgi_audit.cli import main
    for verb in {VERBS}:
        try:
            main([verb, "--help"])
        except SystemExit as ended:
            assert ended.code == 0
    """
    ended = run_script(script)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.count("usage: asgi-audit ") == len(VERBS)


def test_a_bundle_is_verified_without_sqlalchemy(tmp_path: Path, sealed_file: str, key: str, anchor: str) -> None:
    """With key and anchor."""
    assert main(["export", sealed_file, "--out", str(tmp_path / "bundle")]) == 0
    ended = without(
        "sqlalchemy", "verify", "--offline", str(tmp_path / "bundle"), "--anchor", anchor, "--key", f"{key}.pub"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("PASS  ")


def test_a_proof_is_checked_without_sqlalchemy(
    tmp_path: Path, sealed_file: str, sound: Sequence[Record], key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes the key alone."""
    assert main(["prove", sealed_file, sound[1].id]) == 0
    (tmp_path / "proof").write_text(capsys.readouterr().out)
    ended = without("sqlalchemy", "check", str(tmp_path / "proof"), "--key", f"{key}.pub")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("PROVED  ")


def test_a_key_is_made_without_sqlalchemy(tmp_path: Path) -> None:
    """On a machine that has no database."""
    assert without("sqlalchemy", "keygen", "--out", str(tmp_path / "key")).returncode == 0


def test_without_keys_nothing_needs_cryptography(trail: str, tmp_path: Path) -> None:
    """Sealing, verifying, erasing, purging and carrying away; this trail has a loss."""
    anchor = str(tmp_path / "anchor")
    for code, arguments in (
        (0, ["seal", trail, "--anchor", anchor]),
        (3, ["verify", trail, "--anchor", anchor]),
        (0, ["erase", trail, "--actor", "grace", "--reason", "asked to", "--yes"]),
        (0, ["purge", trail, "--before", "now", "--anchor", anchor, "--reason", "test", "--yes"]),
        (0, ["export", trail, "--out", str(tmp_path / "bundle")]),
        (3, ["verify", "--offline", str(tmp_path / "bundle"), "--anchor", anchor]),
    ):
        ended = without("cryptography", *arguments)
        assert (ended.returncode, arguments) == (code, arguments)


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [
        ("cryptography", ["keygen", "--out", "new.key"], "signing"),
        ("cryptography", ["seal", "audit.db", "--key", "audit.key"], "signing"),
        ("cryptography", ["verify", "audit.db", "--key", "audit.key.pub"], "signing"),
        ("cryptography", ["check", "audit.db", "--key", "audit.key.pub"], "signing"),
        ("cryptography", ["purge", "audit.db", "--before", "1d", "--anchor", "a", "--key", "audit.key.pub"], "signing"),
        *(
            ("sqlalchemy", [verb, "audit.db", *rest], "sqlite")
            for verb, *rest in (
                ["seal"],
                ["verify"],
                ["export", "--out", "bundle"],
                ["prove", "00000000"],
                ["erase", "--actor", "x"],
                ["purge", "--before", "1d", "--anchor", "a"],
            )
        ),
    ],
)
def test_what_is_missing_is_answered_with_the_line_that_installs_it(
    package: str, arguments: list[str], extra: str, tmp_path: Path, sealed_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.chdir(tmp_path)
    ended = without(package, *arguments)
    assert (ended.returncode, ended.stdout) == (4, "")
    assert ended.stderr.endswith(f"pip install 'asgi-audit[{extra}]'\n")
    assert ended.stderr.count("\n") == 1
