"""The tables and their versions."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import ConfigurationError
from asgi_audit.sqlalchemy import AuditStore, SchemaError, SQLAlchemySink, include_object, upgrade, upgrade_database
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.migrations import VERSION
from asgi_audit.sqlalchemy.schema import metadata, records
from tests.samples import records as sample

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def _engine(url: str) -> AsyncEngine:
    return Database(url).writing()


async def test_upgrade_says_from_where_to_where(url: str) -> None:
    """From nothing to the newest version, and then from there to there."""
    assert await upgrade_database(url) == (0, VERSION)
    assert await upgrade_database(url) == (VERSION, VERSION)


async def test_many_workers_may_start_at_once(url: str) -> None:
    """Each creates the tables on first use; one does, and all go on."""
    sinks = [SQLAlchemySink(url) for _ in range(6)]
    await asyncio.gather(*(sink.open() for sink in sinks))
    for sink in sinks:
        await sink.write(sample(1))
        await sink.close()
    async with AuditStore(url) as store:
        assert await store.count() == 6


async def test_a_newer_database_is_left_alone(url: str) -> None:
    """Writer, reader and upgrade refuse a database of a later release."""
    await upgrade_database(url)
    engine = _engine(url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"INSERT INTO audit_schema (version) VALUES ({VERSION + 1})")
    await engine.dispose()
    attempts: list[Any] = [SQLAlchemySink(url).open(), AuditStore(url).count(), upgrade_database(url)]
    for attempt in attempts:
        with pytest.raises(SchemaError, match="newer release") as caught:
            await attempt
        assert caught.value.found == VERSION + 1


async def test_upgrade_joins_a_transaction_that_has_begun(sqlite_url: str) -> None:
    """On SQLite, where a transaction cannot begin inside another; it ends with the caller's."""
    await upgrade_database(sqlite_url)
    engine = _engine(sqlite_url)
    async with engine.connect() as connection:
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        assert await connection.run_sync(upgrade) == VERSION
        await connection.rollback()
    await engine.dispose()


async def test_an_unknown_version_cannot_be_asked_for(sqlite_url: str) -> None:
    """A revision that asks for a version this release does not know fails."""
    engine = _engine(sqlite_url)
    async with engine.begin() as connection:
        for version in (0, VERSION + 1):
            with pytest.raises(ConfigurationError, match="knows the versions"):
                await connection.run_sync(upgrade, version=version)
    await engine.dispose()


async def test_the_database_has_the_columns_and_indexes_of_the_code(url: str) -> None:
    """What the steps make is what the code takes for granted."""
    await upgrade_database(url)

    def look(connection: sa.Connection) -> tuple[set[str], dict[str, Any], Any, list[Any]]:
        inspector = sa.inspect(connection)
        return (
            {column["name"] for column in inspector.get_columns("audit_records")},
            {str(index["name"]): index["column_names"] for index in inspector.get_indexes("audit_records")},
            inspector.get_pk_constraint("audit_records")["constrained_columns"],
            [constraint["column_names"] for constraint in inspector.get_unique_constraints("audit_records")],
        )

    engine = _engine(url)
    async with engine.connect() as connection:
        columns, indexes, primary, unique = await connection.run_sync(look)
    await engine.dispose()
    assert columns == set(records.columns.keys())
    indexes.pop("audit_records_writer_seq", None)  # PostgreSQL shows a unique constraint among the indexes, too
    assert indexes == {
        "audit_records_actor": ["actor_id", "id"],
        "audit_records_target": ["target_type", "target_id", "id"],
        "audit_records_action": ["action", "id"],
    }
    assert primary == ["id"]
    assert unique == [["writer", "seq"]]


async def test_mysql_gets_types_that_hold_a_record() -> None:
    """Where TEXT ends at 64 KiB and times at seconds, larger types are taken."""
    ddl = str(sa.schema.CreateTable(records).compile(dialect=mysql.dialect()))
    assert "core LONGTEXT NOT NULL" in ddl
    assert "time DATETIME(6) NOT NULL" in ddl


async def test_autogenerate_leaves_our_tables_alone() -> None:
    """The filter for Alembic's `env.py` hides our tables and indexes, and nothing else."""
    mine = sa.Table("mine", sa.MetaData(), sa.Column("x", sa.Integer, index=True))
    assert include_object(mine, "mine", "table", False, None)
    assert include_object(next(iter(mine.indexes)), "ix", "index", False, None)
    assert include_object(None, "public", "schema", False, None)
    for table in metadata.tables.values():
        assert not include_object(table, table.name, "table", True, None)
        for index in table.indexes:
            assert not include_object(index, index.name, "index", True, None)


_ENV = """
import asgi_audit.sqlalchemy, sqlalchemy as sa
from alembic import context

metadata = sa.MetaData()
sa.Table("mine", metadata, sa.Column("id", sa.Integer, primary_key=True))
engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection, target_metadata=metadata, include_object=asgi_audit.sqlalchemy.include_object)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
_REVISION = """
import asgi_audit.sqlalchemy, sqlalchemy as sa
from alembic import op

revision, down_revision = "1", None

def upgrade():
    op.create_table("mine", sa.Column("id", sa.Integer, primary_key=True))
    asgi_audit.sqlalchemy.upgrade(op, version=1)
"""


async def test_a_users_alembic_can_carry_our_tables(tmp_path: Path) -> None:
    """`upgrade(op, version=1)` in a revision makes them, and `alembic check` finds nothing to change."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(_ENV)
    (tmp_path / "versions" / "1.py").write_text(_REVISION)
    (tmp_path / "alembic.ini").write_text(
        f"[alembic]\nscript_location = {tmp_path}\nsqlalchemy.url = sqlite:///{tmp_path}/app.db\npath_separator = os\n"
    )
    for arguments in (["upgrade", "head"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    connection = sqlite3.connect(tmp_path / "app.db")
    assert connection.execute("SELECT version FROM audit_schema").fetchall() == [(1,)]
    connection.close()
    sink = SQLAlchemySink(f"sqlite:///{tmp_path}/app.db", create=False)
    await sink.open()
    await sink.write(sample(1))
    await sink.close()
