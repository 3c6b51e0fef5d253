"""Reading from a database whose owner may have put anything there.

Rule 1: no value comes into our memory that is larger than one of ours can be.
Rule 2: what is read ends: tables do, while views and virtual tables can go on for ever, and columns that are computed
        can take that long for one row.
Rule 3: whatever we have overlooked, no single answer is waited for without end.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import AuditError
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, VERSIONS
from asgi_audit.verification.evidence import LARGEST, Unreadable

TABLES: Final = (RECORDS, LEAVES, CHECKPOINTS, VERSIONS)
_PATIENCE: Final = 120.0  # seconds
_AGAIN: Final = 1.0
# The file says how large the cache should be, and Rule 1 is for what we read, not for what SQLite does with it.
_PRAGMAS: Final = ("cache_size = -8000", "cell_size_check = ON")
_ON_SQLITE: Final = """
SELECT m.name || ' is no plain table' FROM sqlite_master m WHERE lower(m.name) IN :names AND m.type IN ('table', 'view')
AND (upper(m.sql) NOT LIKE 'CREATE TABLE%' OR EXISTS (SELECT 1 FROM pragma_table_xinfo(m.name) WHERE hidden > 1))
"""
_ON_POSTGRESQL: Final = """
SELECT relname || ' is no plain table' FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest(:names) name)
AND relkind NOT IN ('r', 'p')
"""


class NotPlain(AuditError):  # noqa: N818 - named as what it is
    """In the place of a table of ours stands something else."""


class NoAnswer(Unreadable):
    """The database has taken too long; nothing more can be asked over this connection."""


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
        await connection.exec_driver_sql(f"PRAGMA {pragma}")


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


@asynccontextmanager
async def patient(connection: AsyncConnection) -> AsyncIterator[None]:
    """See the third rule: raises `NoAnswer` instead of going on to wait for what is asked within."""
    within = _interrupted(connection) if connection.dialect.driver == "aiosqlite" else asyncio.timeout(_PATIENCE)
    try:
        async with within:
            yield
    except TimeoutError:
        raise NoAnswer(f"no answer of the database within {_PATIENCE:g} s") from None


@asynccontextmanager
async def _interrupted(connection: AsyncConnection) -> AsyncIterator[None]:
    """As `asyncio.timeout`. SQLite must be told: whoever is cancelled still waits for its thread."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    loop = asyncio.get_running_loop()
    late = False
    timer: asyncio.TimerHandle

    def interrupt() -> None:
        nonlocal late, timer
        late = True
        driver._conn.interrupt()
        timer = loop.call_later(_AGAIN, interrupt)  # it may have been between two steps

    timer = loop.call_later(_PATIENCE, interrupt)
    try:
        yield
    except OperationalError:
        if late:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def as_bytes(stored: object) -> bytes:
    """What was stored, as bytes, whatever it is: what is no text can still be sealed and told apart."""
    if isinstance(stored, str):
        return stored.encode(errors="surrogateescape")
    return bytes(stored) if isinstance(stored, bytes | memoryview) else repr(stored).encode()


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")
