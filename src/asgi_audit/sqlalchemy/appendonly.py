"""Triggers that keep the tables append-only.

They stop mistakes, stray grants and other programs, not the tables' owner, who can drop them. Rows are changed through
`asgi_audit.sqlalchemy.door` alone.
"""

from types import ModuleType
from typing import Final

import sqlalchemy as sa

from asgi_audit.errors import ConfigurationError
from asgi_audit.sqlalchemy import appendonly_postgres, appendonly_sqlite
from asgi_audit.sqlalchemy.schema import RECORDS
from asgi_audit.sqlalchemy.transaction import begin

_KINDS: Final[dict[str, ModuleType]] = {"postgresql": appendonly_postgres, "sqlite": appendonly_sqlite}


def install(connection: sa.Connection) -> bool:
    """Make the tables append-only, in the caller's transaction; False if they were, in this release's form.

    The tables must be there in this version. With an `AsyncConnection`, call `await connection.run_sync(install)`.
    """
    dialect = connection.dialect.name
    if dialect not in _KINDS:
        raise ConfigurationError("append_only", dialect, "there are triggers for SQLite and PostgreSQL only")
    if not sa.inspect(connection).has_table(RECORDS):
        raise ConfigurationError("append_only", True, "there are no audit tables: create them first")
    if installed(connection):
        return False
    begin(connection)
    for statement in _KINDS[dialect].statements(connection):
        connection.exec_driver_sql(statement)
    return True


def installed(connection: sa.Connection) -> bool:
    """Whether the tables are append-only, by triggers in this release's form that are all enabled."""
    kind = _KINDS.get(connection.dialect.name)
    return kind is not None and sa.inspect(connection).has_table(RECORDS) and bool(kind.installed(connection))
