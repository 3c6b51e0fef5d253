import stat
from pathlib import Path

import pytest

from asgi_audit.cli import main
from tests.cli.integrity.conftest import NAME
from tests.cli.integrity.test_verify import change


def test_a_bundle_is_verified_without_its_database(
    sealed: str, tmp_path: Path, key: str, anchor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the same report; the file is as private as the trail."""
    bundle = tmp_path / "bundle"
    assert main(["export", sealed, "--out", str(bundle)]) == 0
    assert capsys.readouterr() == (
        f"Wrote {bundle}, with 4 sealed records: asgi-audit verify --offline {bundle}\n",
        "",
    )
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    assert b'"rows":4' in bundle.read_bytes().splitlines()[0]
    rest = ["--anchor", anchor, "--key", f"{key}.pub"]
    assert main(["verify", sealed, *rest]) == 0
    report = capsys.readouterr().out
    assert main(["verify", "--offline", str(bundle), *rest]) == 0
    assert capsys.readouterr().out == report
    assert NAME in report


def test_what_is_there_is_not_overwritten(tmp_path: Path, sealed_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is a directory made."""
    (tmp_path / "there").write_text("mine")
    assert main(["export", sealed_file, "--out", str(tmp_path / "there")]) == 2
    assert capsys.readouterr() == ("", f"asgi-audit: --out {tmp_path}/there: File exists\n")
    assert (tmp_path / "there").read_text() == "mine"
    assert main(["export", sealed_file, "--out", str(tmp_path / "no" / "bundle")]) == 2
    assert capsys.readouterr() == ("", f"asgi-audit: --out {tmp_path}/no/bundle: No such file or directory\n")


@pytest.mark.parametrize(("name", "code"), [("none.db", 2), ("empty.db", 3), ("audit.db", 3)])
def test_a_bundle_that_cannot_be_finished_is_not_left(
    name: str, code: int, tmp_path: Path, sealed_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could be taken for a log that was cut off."""
    (tmp_path / "empty.db").touch()
    change(sealed_file, "DROP TABLE audit_leaves")
    assert main(["export", str(tmp_path / name), "--out", str(tmp_path / "bundle")]) == code
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    assert not (tmp_path / "bundle").exists()
