"""A database in which somebody has written what is no record."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record


@pytest.mark.parametrize("verb", ["log", "tail", "show", "prove"])
def test_what_is_no_record_is_said_in_one_line(
    verb: str, trail: str, story: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the verb that tells more."""
    with closing(sqlite3.connect(trail)) as connection:
        connection.execute("UPDATE audit_records SET core = 'nonsense' WHERE seq = 2")
        connection.commit()
    arguments = [story[2].id] if verb in {"show", "prove"} else []
    assert main([verb, trail, *arguments]) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"asgi-audit: sqlite:///{trail}: a record in it is none any more (")
    assert error.endswith("; `asgi-audit verify` tells which\n")
    assert error.count("\n") == 1
    assert main(["verify", trail]) == 1


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By whatever verb."""
    path = tmp_path / "text.db"
    path.write_text("this is no database, however long it may become " * 100)
    for verb, *rest in (
        ["log"],
        ["show", "00000000"],
        ["seal"],
        ["prove", "00000000"],
        ["erase", "--actor", "x"],
        ["purge", "--before", "1d", "--anchor", str(tmp_path / "anchor")],
        ["export", "--out", str(tmp_path / "bundle")],
        ["upgrade", "--append-only"],
    ):
        assert main([verb, str(path), *rest]) == 3
        error = capsys.readouterr().err
        assert error.startswith(f"asgi-audit: sqlite:///{path}")
        assert "file is not a database" in error
        assert error.count("\n") == 1
