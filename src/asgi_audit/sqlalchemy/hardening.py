"""Reading from a database whose owner may have put anything there.

Rule 1: no value comes into our memory that is larger than one of ours can be.
Rule 2: what is read ends: tables do, while views and virtual tables can go on for ever, and columns that are computed
        can take that long for one row.
"""

import sqlite3
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import AuditError
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, VERSIONS
from asgi_audit.verification.evidence import LARGEST

TABLES: Final = (RECORDS, LEAVES, CHECKPOINTS, VERSIONS)
# The file says how large the cache should be, and Rule 1 is for what we read, not for what SQLite does with it.
_PRAGMAS: Final = ("cache_size = -8000", "cell_size_check = ON")
_ON_SQLITE: Final = """
SELECT name || ' is no plain table' FROM sqlite_master WHERE lower(name) IN :names AND type IN ('table', 'view')
AND (upper(sql) NOT LIKE 'CREATE TABLE%' OR EXISTS (SELECT 1 FROM pragma_table_xinfo(name) WHERE hidden > 1))
"""
_ON_POSTGRESQL: Final = """
SELECT relname || ' is no plain table' FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(:names) name)
AND relkind NOT IN ('r', 'p')
"""


class NotPlain(AuditError):  # noqa: N818 - named as what it is
    """In the place of a table of ours stands something else."""


async def harden(connection: AsyncConnection) -> None:
    """See the rules; raises `NotPlain`. Of SQLite, any text comes with its bytes, even if it is none."""
    await restrain(connection)
    if (found := await connection.run_sync(oddity)) is not None:
        raise NotPlain(found)


async def restrain(connection: AsyncConnection) -> None:
    """See the first rule."""
    if connection.dialect.driver != "aiosqlite":
        return
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    driver.text_factory = _text
    await driver._execute(driver._conn.setlimit, sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    for pragma in _PRAGMAS:
        await driver.execute_fetchall(f"PRAGMA {pragma}")


def oddity(connection: sa.Connection) -> str | None:
    """What breaks the second rule, in words; a table that is not there does not."""
    if connection.dialect.name == "sqlite":
        plain = sa.text(_ON_SQLITE).bindparams(sa.bindparam("names", TABLES, expanding=True))
    elif connection.dialect.name == "postgresql":
        plain = sa.text(_ON_POSTGRESQL).bindparams(sa.bindparam("names", list(TABLES), sa.ARRAY(sa.Text)))
    else:
        return None
    found: str | None = connection.scalar(plain)
    return found


def as_bytes(stored: object) -> bytes:
    """What was stored, as bytes, whatever it is: what is no text can still be sealed and told apart."""
    if isinstance(stored, str):
        return stored.encode(errors="surrogateescape")
    return bytes(stored) if isinstance(stored, bytes | memoryview) else repr(stored).encode()


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")
