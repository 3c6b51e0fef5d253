"""Bringing a database's tables to the version that this code writes.

The steps are our own, so that no second head appears in anybody's Alembic history. `upgrade` is safe to run again, and
by several workers at once. Who keeps the schema with Alembic calls it from a revision and keeps our tables out of
autogenerate:

    def upgrade():                                  # in a revision
        asgi_audit.sqlalchemy.upgrade(op, version=1)

    context.configure(..., include_object=asgi_audit.sqlalchemy.include_object)      # in env.py
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import AuditError, ConfigurationError
from asgi_audit.sqlalchemy.appendonly import install
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, VERSIONS, checkpoints, leaves, records, versions

# Any number will do, as long as every worker takes the same one.
_LOCK: Final = 0x61736769_61756469


class SchemaError(AuditError):
    """A database whose tables are not those of this version; `found` is None where there are none."""

    def __init__(self, found: int | None, remedy: str) -> None:
        state = "the database has no audit tables" if found is None else f"the audit tables have version {found}"
        super().__init__(f"{state}, this code needs version {VERSION}: {remedy}")
        self.found = found


class Operations(Protocol):
    """What is used of `alembic.op`."""

    def get_bind(self) -> sa.Connection:
        """The connection of the running migration."""


def _create_tables(connection: sa.Connection) -> None:
    for table in (records, leaves, checkpoints):
        table.create(connection)


#: Step n brings a database from version n - 1 to version n; once released, a step never changes.
_STEPS: Final[tuple[Callable[[sa.Connection], None], ...]] = (_create_tables,)
VERSION: Final = len(_STEPS)


def upgrade(bind: sa.Connection | Operations, *, version: int = VERSION) -> int:
    """Apply the missing steps up to `version`, inside the caller's transaction; the version that was found.

    Takes a connection or `alembic.op`; with an `AsyncConnection`, call `await connection.run_sync(upgrade)`.
    """
    if not 1 <= version <= VERSION:
        raise ConfigurationError("version", version, f"this release knows the versions 1 to {VERSION}")
    connection = bind if isinstance(bind, sa.Connection) else bind.get_bind()
    _lock(connection)
    versions.create(connection, checkfirst=True)
    found = current(connection) or 0
    _refuse_newer(found)
    for step in range(found, version):
        _STEPS[step](connection)
        connection.execute(versions.insert().values(version=step + 1))
    return found


def _lock(connection: sa.Connection) -> None:
    """Let other workers wait until the transaction has ended."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    elif connection.dialect.name == "sqlite" and not _in_transaction(connection.connection.driver_connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _in_transaction(driver: Any) -> bool:
    begun: bool = driver.in_transaction  # both sqlite3's connection and aiosqlite's have it
    return begun


def current(connection: sa.Connection) -> int | None:
    """The version of the database's audit tables, None if it has none.

    A role that may only insert cannot read the version; it takes the tables as they are.
    """
    if not sa.inspect(connection).has_table(VERSIONS):
        return None
    if connection.dialect.name == "postgresql":
        allowed = connection.scalar(sa.select(sa.func.has_table_privilege(VERSIONS, "SELECT")))
        if not allowed:
            return VERSION
    found = connection.scalar(sa.select(sa.func.max(versions.c.version)))
    return found if isinstance(found, int) else None  # somebody may have put anything there


def require(connection: sa.Connection, name: str) -> None:
    """Raise `SchemaError` unless the tables are there in this version."""
    found = current(connection)
    _refuse_newer(found or 0)
    if found != VERSION:
        raise SchemaError(found, f"run `asgi-audit upgrade {name}`")


def _refuse_newer(found: int) -> None:
    if found > VERSION:
        raise SchemaError(found, "a newer release has upgraded it; install that one")


async def upgrade_database(url_or_engine: str | URL | AsyncEngine, *, append_only: bool = False) -> tuple[int, int]:
    """Create or upgrade the tables; the versions before and after (0 for none).

    With `append_only`, triggers then keep their rows from being changed or deleted other than by erasing and purging.
    """
    database = Database(url_or_engine)
    database.create_file()
    engine = database.writing()
    try:
        async with engine.begin() as connection:
            found = await connection.run_sync(upgrade)
            if append_only:
                await connection.run_sync(install)
            return found, VERSION
    finally:
        await engine.dispose()


def include_object(subject: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:  # noqa: ARG001 - Alembic's signature
    """Alembic's filter that keeps autogenerate from dropping the audit tables."""
    table = name if kind == "table" else getattr(getattr(subject, "table", None), "name", None)
    return table not in {RECORDS, LEAVES, CHECKPOINTS, VERSIONS}
