"""Rows against the sealer: whoever can insert one may insert any, and must not stop it."""

import asyncio
import random
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from asgi_audit.errors import AuditError
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import hardening
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import NoAnswer
from asgi_audit.sqlalchemy.proving import prove
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS
from tests.postgres import execute
from tests.sealed.forging import invented
from tests.sealed.log import Log, Writer
from tests.sealed.original import Original

MIB = 2**20
NOW = datetime.now(UTC)


@pytest.fixture
def sqlite_log(sqlite_url: str, tmp_path: Path) -> Log:
    """A log in a file, of ten sealed records."""
    log = Log(sqlite_url, tmp_path, mac=bytes(32))
    writer = Writer(random.Random(1))
    asyncio.run(log.write([writer.record(NOW) for _ in range(10)]))
    asyncio.run(log.seal())
    return log


def run(log: Log, *statements: str) -> None:
    """Change the file as its owner can."""
    with closing(sqlite3.connect(log.url.removeprefix("sqlite:///"))) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def forge(log: Log, core: str, id_: str = "hex(randomblob(16))", count: int = 1) -> None:
    """Insert rows with this core."""
    columns = "time, parent, writer, kind, action, target, target_salt"
    run(
        log,
        f"INSERT INTO audit_records (id, seq, core, {columns}) WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {count}) SELECT {id_}, 1000 + i, {core}, {columns} FROM n, (SELECT * FROM audit_records LIMIT 1)",
    )


CORES = {
    "bytes": "x'00ff'",
    "nothing": "''",
    "no UTF-8": "CAST(x'22ff22' AS TEXT)",
    "a zero byte": "'{' || char(0) || '}'",
    "a number": "CAST(7 AS BLOB)",
    "no JSON": "'nonsense'",
    "2 MiB": f"hex(zeroblob({MIB}))",
    "40 MiB": f"hex(zeroblob({20 * MIB}))",
    "40 MiB of bytes": f"zeroblob({40 * MIB})",
}


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_a_row_with_any_core_is_sealed_and_named(sqlite_log: Log, core: str) -> None:
    """As it is, unless it is far too large. What comes after it is sealed as well."""
    forge(sqlite_log, core)
    assert asyncio.run(sqlite_log.seal()) == 1
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    assert asyncio.run(sqlite_log.seal()) == 1
    report = asyncio.run(sqlite_log.verify())
    assert report.verdict is Verdict.TAMPERED
    assert {each.index for each in report.findings} == {10}
    assert "malformed" in report.finding_counts
    assert (report.sealed, report.unsealed, report.anchored) == (12, 0, 12)


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
def test_a_row_with_any_core_is_neither_proved_nor_erased_nor_purged(sqlite_log: Log, core: str) -> None:
    """It stays as it is, for it is evidence."""
    id_ = 32 * "0"
    forge(sqlite_log, core, f"'{id_}'")
    asyncio.run(sqlite_log.seal())
    before = Path(sqlite_log.url.removeprefix("sqlite:///")).stat().st_size
    for turn in (
        lambda: prove(sqlite_log.url, id_),
        lambda: sqlite_log.erase([id_], "target"),
        lambda: sqlite_log.purge(NOW + timedelta(hours=1)),
    ):
        with pytest.raises((AuditError, SQLAlchemyError)):
            asyncio.run(turn())
    report = asyncio.run(sqlite_log.verify())
    assert (report.sealed, report.unsealed, report.purged) == (11, 0, 0)
    assert Path(sqlite_log.url.removeprefix("sqlite:///")).stat().st_size == before


IDS = {
    "bytes": "randomblob(16)",
    "no UTF-8": "CAST(x'ff' || randomblob(8) AS TEXT)",
    "too long": "hex(randomblob(20))",
    "2 MiB": f"hex(randomblob(8)) || hex(zeroblob({MIB}))",
    "no ASCII": "char(0xe9) || hex(randomblob(8))",
    "control characters": "char(27) || hex(randomblob(8))",
}


@pytest.mark.parametrize("id_", IDS.values(), ids=IDS)
def test_rows_with_strange_ids_are_passed_over_and_named(sqlite_log: Log, id_: str) -> None:
    """They can't have a place, however many they are; what comes after them can."""
    forge(sqlite_log, "'x'", id_, 3 if "zeroblob" in id_ else 1200)
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    assert asyncio.run(sqlite_log.seal()) == 1
    report = asyncio.run(sqlite_log.verify())
    assert report.verdict is Verdict.TAMPERED
    assert [each.what for each in report.findings] == ["audit_records has rows without an id"]
    assert (report.sealed, report.anchored) == (11, 11)


@pytest.mark.parametrize("id_", ["'zzzz'", "'ffffffff-ffff-7fff-ffff-ffffffffffff'", "''", "'~'", "7"])
def test_rows_with_wrong_ids_are_sealed_and_named(sqlite_log: Log, id_: str) -> None:
    """Also if they would be the newest for ever."""
    forge(sqlite_log, "core", id_)
    assert asyncio.run(sqlite_log.seal()) == 1
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    assert asyncio.run(sqlite_log.seal()) == 1
    report = asyncio.run(sqlite_log.verify())
    assert report.verdict is Verdict.TAMPERED
    assert 10 in {each.index for each in report.findings}


@pytest.mark.parametrize("record_id", ["x'ff'", "CAST(x'ff' AS TEXT)", "'~'", "7", f"hex(zeroblob({MIB}))"])
def test_a_leaf_of_a_strange_record_stops_nobody(sqlite_log: Log, record_id: str) -> None:
    """The sealer goes on behind it."""
    run(sqlite_log, f"UPDATE audit_leaves SET record_id = {record_id} WHERE idx = 3")
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    assert asyncio.run(sqlite_log.seal()) == 2  # for one record has lost its leaf
    assert "removed" in asyncio.run(sqlite_log.verify()).finding_counts


TRIGGERS: dict[str, tuple[str, str]] = {
    "changes a leaf": (
        "AFTER INSERT ON audit_leaves BEGIN UPDATE audit_leaves SET hash = zeroblob(32) WHERE idx = NEW.idx; END",
        "core",
    ),
    "deletes a leaf": (
        "AFTER INSERT ON audit_leaves BEGIN DELETE FROM audit_leaves WHERE idx = NEW.idx; END",
        "anchor",
    ),
    "adds a leaf": (
        "AFTER INSERT ON audit_leaves WHEN NEW.idx < 15 BEGIN"
        " INSERT INTO audit_leaves VALUES (NEW.idx + 1, hex(randomblob(9)), NEW.hash); END",
        "removed",
    ),
    "changes a checkpoint": (
        "AFTER INSERT ON audit_checkpoints BEGIN UPDATE audit_checkpoints SET peaks = x'' WHERE size = NEW.size; END",
        "checkpoint",
    ),
}


@pytest.mark.parametrize(("trigger", "kind"), TRIGGERS.values(), ids=TRIGGERS)
def test_what_a_trigger_does_is_not_signed(sqlite_log: Log, trigger: str, kind: str) -> None:
    """The sealer signs what it has read, whatever becomes of what it has written; then it stops, and it is found."""
    run(sqlite_log, f"CREATE TRIGGER ours {trigger}")
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    honest = asyncio.run(sqlite_log.sealer().seal())
    assert honest.note is not None
    report = asyncio.run(sqlite_log.verify())
    assert report.verdict is Verdict.TAMPERED
    assert kind in report.finding_counts


def test_a_trigger_that_goes_on_for_ever_is_left_to_itself(sqlite_log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealer says that there was no answer, and has sealed nothing."""
    monkeypatch.setattr(hardening, "_PATIENCE", 1.0)
    forever = "WITH c (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c"
    run(sqlite_log, f"CREATE TRIGGER ours BEFORE INSERT ON audit_leaves BEGIN SELECT ({forever}); END")
    asyncio.run(sqlite_log.write([Writer(random.Random(2)).record(NOW)]))
    with pytest.raises(NoAnswer):
        asyncio.run(sqlite_log.seal())
    run(sqlite_log, "DROP TRIGGER ours")
    assert asyncio.run(sqlite_log.seal()) == 1


def test_a_row_without_an_id_stops_nobody(sqlite_url: str, tmp_path: Path) -> None:
    """Though no key forbids it, and it comes first."""
    with Original(sqlite_url, tmp_path, 100).copied(random.Random(1)) as scene:
        scene.relax()
        for _ in range(2):
            scene.insert(invented(scene) | {"id": None})
        row = build(Writer(scene.chance).record(NOW), scene.log.mac)
        scene.insert(dict(zip(COLUMNS, row, strict=True)) | {"time": scene.hand.time(NOW)})
        scene.leave()
        sealed = scene.size
        scene.seal()
        report = scene.verify("anchor", "keys", "mac")
        assert report.anchored == sealed + 1
        assert [each.what for each in report.findings] == ["audit_records has rows without an id"]


@pytest.mark.parametrize("size", [2 * MIB, 40 * MIB, 400 * MIB])
def test_large_values_in_postgresql(postgres_url: str, tmp_path: Path, size: int) -> None:
    """They are not read, and sealed as what they are: far too large."""
    log = Log(postgres_url, tmp_path)
    asyncio.run(log.write([Writer(random.Random(2)).record(NOW)]))
    asyncio.run(execute(postgres_url, f"UPDATE audit_records SET core = repeat('x', {size})"))
    assert asyncio.run(log.seal()) == 1
    report = asyncio.run(log.verify())
    assert report.verdict is Verdict.TAMPERED
    assert [each.index for each in report.findings if each.kind == "malformed"] == [0]


def test_text_that_is_no_utf_8_in_postgresql(postgres_admin_url: str, postgres_url: str, tmp_path: Path) -> None:
    """Which a database without an encoding takes: nobody can read it, and everybody says so."""
    name = f"{urlsplit(postgres_url).path[1:]}_ascii"
    made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
    asyncio.run(execute(postgres_admin_url, made))
    url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    log = Log(url, tmp_path)
    try:
        asyncio.run(log.write([Writer(random.Random(2)).record(NOW)]))
        asyncio.run(spoil(url))
        with pytest.raises(SQLAlchemyError):
            asyncio.run(log.seal())
        assert "audit_records can't be read" in asyncio.run(log.verify(anchored=False)).findings[0].what
    finally:
        asyncio.run(execute(postgres_admin_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def spoil(url: str) -> None:
    """Put a byte into the core that is no UTF-8."""
    engine = Database(url).writing()
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE audit_records SET core = convert_from('\\xff'::bytea, 'SQL_ASCII')"))
    await engine.dispose()


def test_rows_that_somebody_may_not_see_in_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """A part is not taken for the whole: who is shown a part only gets no verdict that would be one of all."""
    log = Log(postgres_url, tmp_path)
    asyncio.run(log.write([Writer(random.Random(2)).record(NOW)]))
    asyncio.run(log.seal())
    role = f"auditor_{urlsplit(postgres_url).path[-8:]}"
    asyncio.run(
        execute(
            postgres_url,
            f"CREATE ROLE {role} LOGIN",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
            "ALTER TABLE audit_records ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY part ON audit_records TO {role} USING (pg_sleep(1000) IS NULL)",
        )
    )
    try:
        parts: Any = urlsplit(postgres_url)
        log.url = urlunsplit(parts._replace(netloc=parts.netloc.replace("postgres@", f"{role}@")))
        report = asyncio.run(log.verify())
        assert report.verdict is Verdict.TAMPERED
        assert "row-level security" in report.findings[0].what
    finally:
        asyncio.run(execute(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}"))
