"""SQLite through aiosqlite: the driver's `executemany` in one transaction, durable when it returns."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from typing import TYPE_CHECKING, Any, Final

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.projection import utc_text
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.rows import TIME, Row, build
from asgi_audit.sqlalchemy.schema import COLUMNS, RECORDS
from asgi_audit.sqlalchemy.writer import SequenceConflict, Writer

if TYPE_CHECKING:
    import aiosqlite

_INSERT: Final = (
    f"INSERT INTO {RECORDS} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608 - constants
    "ON CONFLICT (id) DO NOTHING"
)
_SETTINGS: Final = (
    "PRAGMA busy_timeout = 5000",  # several workers write to one file
    "PRAGMA synchronous = FULL",  # a batch that was acknowledged survives a power cut
)
#: Seconds that the change of the journal's mode may take, while others are at it too; and between two attempts.
_CHANGE: Final = 5.0
_BLINK: Final = 0.01


class SQLiteWriter:
    """Writes through one connection of aiosqlite's; `path` is the database's file, None for one in memory."""

    def __init__(self, driver: Any, path: Path | None, key: MacKey | None) -> None:
        self._driver: aiosqlite.Connection = driver
        self._path = path
        self._key = key
        self._file: os.stat_result | None = None

    async def prepare(self) -> None:
        """Set what holds for the connection, and remember which file it is."""
        for setting in _SETTINGS:
            await self._driver.execute_fetchall(setting)
        await self._use_wal()
        self._file = self._look()

    def abandon(self) -> "asyncio.Future[Any] | None":
        """Have the driver's thread close the connection, when it has done what it is at."""
        return self._driver.stop()

    async def write(self, records: Sequence[Record]) -> None:
        """Insert and commit."""
        rows = [_adapt(build(record, self._key)) for record in records]
        try:
            await self._driver.executemany(_INSERT, rows)
        except IntegrityError as error:
            await self._driver.rollback()
            raise _rejection(error) from None
        except (DataError, InterfaceError, ProgrammingError) as error:
            await self._driver.rollback()
            raise RecordRejected(f"a value does not fit its column ({type(error).__name__})") from None
        await self._driver.commit()
        self._check_file()

    async def _use_wal(self) -> None:
        """Let readers and the writer not wait for each other. The busy timeout does not hold for this one change."""
        async with asyncio.timeout(_CHANGE):
            while True:
                try:
                    await self._driver.execute_fetchall("PRAGMA journal_mode = WAL")
                    return
                except OperationalError:  # another worker is about to make the same change
                    await asyncio.sleep(_BLINK)

    def _look(self) -> os.stat_result | None:
        return None if self._path is None else self._path.stat()

    def _check_file(self) -> None:
        """SQLite goes on writing into a file that was deleted or replaced, where nobody will ever read it."""
        seen = self._look()
        if self._file is not None and seen is not None and not os.path.samestat(self._file, seen):
            raise FileNotFoundError(f"another file has taken the place of {self._path}")


def writer(driver: Any, path: Path | None, key: MacKey | None) -> Writer:
    """The writer for a connection of aiosqlite's."""
    return SQLiteWriter(driver, path, key)


def _adapt(row: Row) -> Row:
    row[TIME] = utc_text(row[TIME])
    return row


def _rejection(error: IntegrityError) -> RecordRejected:
    # The message names the columns of the constraint, never a value.
    if f"{RECORDS}.seq" in str(error):
        return SequenceConflict()
    return RecordRejected(error.sqlite_errorname)
