"""With the triggers, nothing that is stored can be changed, whoever asks and however."""

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError

from asgi_audit.sqlalchemy.door import Door
from tests.postgres import execute
from tests.sqlalchemy.stocked import TABLES, content, engine, stock

KEYS = {"audit_records": "id", "audit_leaves": "idx", "audit_checkpoints": "size", "audit_schema": "version"}

every_table = pytest.mark.parametrize("table", TABLES)


def by_sqlite3(url: str, statement: str, *, opened: bool = False) -> int:
    """What another program does, perhaps one that knows how our door is opened; how many rows it has changed."""
    with closing(sqlite3.connect(Path(url.removeprefix("sqlite:///")))) as connection, connection:
        if opened:
            connection.create_function("asgi_audit_append_only", 0, lambda: False)
        return connection.execute(statement).rowcount


@pytest.mark.asyncio
@every_table
@pytest.mark.parametrize("mode", ["origin", "replica"])
async def test_postgres_refuses_every_change(postgres_url: str, table: str, mode: str) -> None:
    """UPDATE, DELETE, TRUNCATE, an upsert and MERGE, also by a superuser who owns the tables, also in a session that
    fires no ordinary trigger.
    """
    await stock(postgres_url)
    before = await content(postgres_url)
    key = KEYS[table]
    unique = "size, signers" if key == "size" else key
    for statement in (
        f"UPDATE {table} SET {key} = {key}",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY CASCADE",
        f"INSERT INTO {table} SELECT * FROM {table} ON CONFLICT ({unique}) DO UPDATE SET {key} = EXCLUDED.{key}",
        f"MERGE INTO {table} t USING {table} s ON t.{key} = s.{key} WHEN MATCHED THEN DELETE",
        f"WITH gone AS (DELETE FROM {table} RETURNING *) SELECT * FROM gone",
    ):
        with pytest.raises(asyncpg.RestrictViolationError, match=r"audit_\w+ is append-only: erase and purge with"):
            await execute(postgres_url, f"SET session_replication_role = {mode}", statement)
    assert await content(postgres_url) == before


@pytest.mark.asyncio
async def test_the_setting_alone_opens_nothing(postgres_url: str) -> None:
    """A role with stray grants that sets it itself is refused; the owner who does so can at most erase."""
    await stock(postgres_url)
    before = await content(postgres_url)
    role = "stray_" + postgres_url[-12:]
    grant = f"CREATE ROLE {role}; GRANT ALL ON {', '.join(TABLES)} TO {role}"
    await execute(postgres_url, grant)
    try:
        for door, statement in (
            ("erase", "UPDATE audit_records SET actor = NULL"),
            ("purge", "DELETE FROM audit_records"),
            ("purge", "TRUNCATE audit_records"),
            ("purge", "DELETE FROM audit_leaves"),
        ):
            with pytest.raises(asyncpg.RestrictViolationError):
                await execute(postgres_url, f"SET ROLE {role}", f"SET asgi_audit.door = '{door}'", statement)
        for door, statement in (
            ("erase", "UPDATE audit_records SET core = '{}'"),
            ("erase", "UPDATE audit_records SET actor = '{}'"),
            ("erase", "UPDATE audit_records SET actor = NULL, status = NULL"),
            ("erase", "UPDATE audit_checkpoints SET note = ''"),
            ("erase", "DELETE FROM audit_records"),
            ("purge", "UPDATE audit_records SET actor = NULL"),
            ("purge", "DELETE FROM audit_schema"),
            ("purge", "TRUNCATE audit_records"),
        ):
            with pytest.raises(asyncpg.RestrictViolationError):
                await execute(postgres_url, f"SET asgi_audit.door = '{door}'", statement)
    finally:
        await execute(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert await content(postgres_url) == before


@pytest.mark.asyncio
@every_table
async def test_sqlite_refuses_every_change(sqlite_url: str, table: str) -> None:
    """Another connection can't even prepare it; on one of ours the closed door refuses it in words."""
    await stock(sqlite_url)
    before = await content(sqlite_url)
    key = KEYS[table]
    statements = (
        f"UPDATE {table} SET {key} = {key}",
        f"UPDATE OR REPLACE {table} SET {key} = {key}",
        f"UPDATE OR IGNORE {table} SET rowid = 7",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE {key} = 0 OR TRUE",
    )
    upsert = f"INSERT INTO {table} SELECT * FROM {table} WHERE TRUE ON CONFLICT DO UPDATE SET {key} = 7"
    for statement in (*statements, upsert):
        with pytest.raises(sqlite3.OperationalError, match="no such function: asgi_audit_append_only"):
            by_sqlite3(sqlite_url, statement)
    made = engine(sqlite_url)
    async with made.connect() as connection:
        await Door.of(connection)
        for statement in statements:
            with pytest.raises(IntegrityError, match=f"{table} is append-only: erase and purge with asgi-audit"):
                await connection.exec_driver_sql(statement)
            await connection.commit()
    await made.dispose()
    assert await content(sqlite_url) == before


@pytest.mark.asyncio
async def test_sqlite_replaces_nothing(sqlite_url: str) -> None:
    """INSERT OR REPLACE of whatever key is taken, even of a row's number, leaves the old row where it is."""
    await stock(sqlite_url)
    before = await content(sqlite_url)
    copy = "INSERT OR REPLACE INTO audit_records ({0}) SELECT {1} FROM audit_records"
    needed = "writer, seq, time, kind, action, core"
    forged = needed.replace("core", "'{}'")
    assert by_sqlite3(sqlite_url, copy.format(f"id, {needed}", f"id, {forged}")) == 0
    for statement, message in (
        (copy.format(f"id, {needed}", f"id || 'x', {forged}"), "audit_records.writer, audit_records.seq"),
        (copy.format(f"rowid, id, {needed}", f"rowid, id || 'x', 'x' || {forged}"), "audit_records.rowid"),
        ("INSERT OR REPLACE INTO audit_leaves VALUES (0, 'x', x'00')", "audit_leaves.idx"),
        ("INSERT OR REPLACE INTO audit_leaves SELECT 99, record_id, x'00' FROM audit_leaves", "audit_leaves.record_id"),
        (
            "REPLACE INTO audit_checkpoints VALUES (12, '', 'forged', x'', '')",
            "audit_checkpoints.size, audit_checkpoints.signers",
        ),
        (
            "REPLACE INTO audit_checkpoints (rowid, size, signers, note, peaks, time) VALUES (1, 99, '', '', x'', '')",
            "audit_checkpoints.rowid",
        ),
        ("REPLACE INTO audit_schema VALUES (1)", "audit_schema.version"),
    ):
        with pytest.raises(sqlite3.IntegrityError, match=f"UNIQUE constraint failed: {message}$"):
            by_sqlite3(sqlite_url, statement)
    assert await content(sqlite_url) == before


@pytest.mark.asyncio
async def test_a_row_that_is_there_does_not_stop_its_neighbours(sqlite_url: str) -> None:
    """Of several rows in one statement, the new ones are stored."""
    await stock(sqlite_url)
    columns = "id, writer, seq, time, kind, action, core"
    old = "SELECT id, 'x', 1, time, kind, action, core FROM audit_records"
    new = "SELECT 'zz', 'y', 1, '', '', '', ''"
    assert by_sqlite3(sqlite_url, f"INSERT INTO audit_records ({columns}) {old} UNION {new}") == 1


@pytest.mark.asyncio
async def test_a_row_cannot_be_in_the_way_of_those_to_come(sqlite_url: str) -> None:
    """Not even under the number that a new row has before it gets its own."""
    await stock(sqlite_url)
    for number in ("-1", "NULL", "NULL"):
        values = f"{number}, hex(randomblob(9)), hex(randomblob(9)), 1, '', '', '', ''"
        columns = "rowid, id, writer, seq, time, kind, action, core"
        assert by_sqlite3(sqlite_url, f"INSERT INTO audit_records ({columns}) VALUES ({values})") == 1


@pytest.mark.asyncio
async def test_through_sqlites_open_door_rows_only_go_or_are_emptied(sqlite_url: str) -> None:
    """Whoever opens it for himself, as anybody can who may write the file, still turns nothing into something else."""
    await stock(sqlite_url)
    before = await content(sqlite_url)
    for statement in (
        "UPDATE audit_records SET core = '{}'",
        "UPDATE audit_records SET id = 'x'",
        "UPDATE audit_records SET actor = '{}'",
        "UPDATE audit_records SET actor = NULL, status = NULL",
        *(f"DELETE FROM {table}" for table in TABLES[1:]),
        *(f"UPDATE {table} SET {KEYS[table]} = 7" for table in TABLES[1:]),
    ):
        with pytest.raises(sqlite3.IntegrityError, match="is append-only"):
            by_sqlite3(sqlite_url, statement, opened=True)
    assert await content(sqlite_url) == before
    assert by_sqlite3(sqlite_url, "UPDATE audit_records SET actor = NULL", opened=True) == 13
    assert by_sqlite3(sqlite_url, "DELETE FROM audit_records", opened=True) == 13
