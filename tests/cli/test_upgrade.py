import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from asgi_audit.cli import main
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.database import Database
from tests.cli.conftest import Store


def test_the_tables_are_created_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Doing it again does nothing, and says so; then there is a trail to read."""
    assert main(["upgrade", url]) == 0
    assert capsys.readouterr().out == "Created the audit tables, version 1.\n"
    assert main(["upgrade", url]) == 0
    assert capsys.readouterr().out == "The audit tables have version 1 already: nothing to do.\n"
    assert main(["log", url]) == 0
    assert capsys.readouterr().err.startswith("No records match: the application has left none yet")


def test_the_tables_can_be_append_only(
    url: str, store: Store, story: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """From the beginning or later; rows still come in, and only our own verbs change them."""
    said = "They are append-only: only `asgi-audit erase` and `purge` change or delete rows.\n"
    assert main(["upgrade", url]) == 0
    capsys.readouterr()
    assert main(["upgrade", url, "--append-only"]) == 0
    assert capsys.readouterr().out == f"The audit tables have version 1 already.\n{said}"
    assert main(["upgrade", url, "--append-only"]) == 0
    assert capsys.readouterr().out == f"The audit tables have version 1 already.\n{said}"
    store(url, story)
    assert main(["erase", url, "--actor", "grace", "--reason", "asked to", "--yes"]) == 0
    assert capsys.readouterr().out.startswith("Erased the part actor of 1 record.\n")
    with pytest.raises(DBAPIError, match=r"append[-_]only"):
        asyncio.run(_forge(url))
    assert main(["log", url, "--actor", "mallory", "--json"]) == 0
    assert capsys.readouterr().out == ""


async def _forge(url: str) -> None:
    engine = Database(url).writing()
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE audit_records SET actor_id = 'mallory'")
    finally:
        await engine.dispose()


def test_new_tables_can_be_append_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says both."""
    assert main(["upgrade", str(tmp_path / "a.db"), "--append-only"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Created the audit tables, version 1.",
        "They are append-only: only `asgi-audit erase` and `purge` change or delete rows.",
    ]


def test_a_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It is that of a SQLite file, however strange its name."""
    monkeypatch.chdir(tmp_path)
    assert main(["upgrade", "my trail?#%41.db"]) == 0
    assert (tmp_path / "my trail?#%41.db").is_file()
    assert main(["log", "my trail?#%41.db"]) == 0


def test_an_older_version_is_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names both versions."""
    monkeypatch.setattr("asgi_audit.cli.upgrade.upgrade_database", _from_one_to_two)
    assert main(["upgrade", str(tmp_path / "a.db")]) == 0
    assert capsys.readouterr().out == "Upgraded the audit tables from version 1 to 2.\n"


async def _from_one_to_two(url: object, **_: object) -> tuple[int, int]:
    return 1, 2


def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No file, no database, no tables, nobody there: each with its exit code, and never with a password."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("this is no database, however long it may become " * 100)
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE t (x)").connection.close()
    cases = [
        ("none.db", 2, "there is no such file"),
        ("text.db", 3, "file is not a database"),
        ("other.db", 3, "run `asgi-audit upgrade"),
        ("mongodb://localhost/x", 2, "SQLAlchemy knows no such dialect or driver"),
        ("postgresql://me:hunter2@127.0.0.1:9/x", 3, "127.0.0.1:9/x"),
    ]
    for url, code, reason in cases:
        assert (main(["log", url]), url) == (code, url)
        out, error = capsys.readouterr()
        assert out == ""
        assert error.startswith("asgi-audit: ")
        assert reason in error
        assert error.count("\n") == 1
        assert "hunter2" not in error


def test_a_server_that_refuses_is_said_in_one_line(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that is not there, in the server's own words."""
    assert main(["log", f"{postgres_url}_not"]) == 3
    error = capsys.readouterr().err
    assert "does not exist" in error
    assert error.count("\n") == 1
