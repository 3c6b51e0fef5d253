"""PostgreSQL through asyncpg: COPY straight into the table, for which the privilege to INSERT suffices.

A COPY is one statement, hence all or nothing. It fails as a whole when a row is already there, as after a lost reply;
then the rows go one by one, each a statement of its own: a primary key that exists means "already stored".
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
from asyncpg.pgproto.pgproto import UUID

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity.mac import MacKey
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.rows import ID, PARENT, TIME, Row, build
from asgi_audit.sqlalchemy.schema import COLUMNS, RECORDS, records
from asgi_audit.sqlalchemy.writer import SequenceConflict, Writer

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_INSERT: Final = (
    f"INSERT INTO {RECORDS} ({', '.join(COLUMNS)}) VALUES ({', '.join(f'${n + 1}' for n in range(len(COLUMNS)))})"  # noqa: S608 - constants
)
_WRITER: Final = COLUMNS.index("writer")
_PRIMARY_KEY: Final = records.primary_key.name
#: Beside class 22 (data exception): not null, check, and a limit of the server that a value exceeds.
_DATA_ERRORS: Final = frozenset({"23502", "23514", "54000"})


class PostgresWriter:
    """Writes through one connection of asyncpg's."""

    def __init__(self, driver: Any, key: MacKey | None) -> None:
        self._driver: asyncpg.Connection[asyncpg.Record] = driver
        self._key = key

    async def prepare(self) -> None:
        """Let times pass as tuples of microseconds, which asyncpg encodes faster than datetimes."""
        await self._driver.set_type_codec(
            "timestamptz", schema="pg_catalog", encoder=_unchanged, decoder=_unchanged, format="tuple"
        )

    def abandon(self) -> None:
        """There is no thread."""

    async def write(self, records: Sequence[Record]) -> None:
        """COPY, or row by row if some are already stored."""
        try:
            try:
                # Rows are made as the driver asks for them: the server stores the first while we make the next.
                rows = (_adapt(build(record, self._key)) for record in records)
                await self._driver.copy_records_to_table(RECORDS, records=rows, columns=COLUMNS)
            except asyncpg.UniqueViolationError:
                await self._one_by_one(records)
        except (asyncpg.PostgresError, ValueError, TypeError) as error:
            raise _rejection(error) or error from None

    async def _one_by_one(self, records: Sequence[Record]) -> None:
        conflict = False
        for record in records:
            row = _adapt(build(record, self._key))
            try:
                await self._driver.execute(_INSERT, *row)
            except asyncpg.UniqueViolationError as error:
                conflict = conflict or not await self._is_stored(row, error)
        if conflict:
            raise SequenceConflict

    async def _is_stored(self, row: Row, error: asyncpg.UniqueViolationError) -> bool:
        """Whether the row's id is taken.

        A redelivered row violates both constraints, and which one is reported depends on the age of the indexes.
        Without the right to read, an INSERT of the same id under another writer tells; it is rolled back in either
        case.
        """
        if error.constraint_name == _PRIMARY_KEY:
            return True
        transaction = self._driver.transaction()
        await transaction.start()
        try:
            await self._driver.execute(_INSERT, *row[:_WRITER], "?", *row[_WRITER + 1 :])
            stored = False
        except asyncpg.UniqueViolationError:
            stored = True
        await transaction.rollback()
        return stored


def writer(driver: Any, path: Path | None, key: MacKey | None) -> Writer:  # noqa: ARG001 - only SQLite has a path
    """The writer for a connection of asyncpg's."""
    return PostgresWriter(driver, key)


def _unchanged(value: Any) -> Any:
    return value


def _adapt(row: Row) -> Row:
    row[ID] = UUID(row[ID])
    row[TIME] = ((row[TIME] - _EPOCH) // _MICROSECOND,)
    if row[PARENT] is not None:
        row[PARENT] = UUID(row[PARENT])
    return row


def _rejection(error: Exception) -> RecordRejected | None:
    """The answer to a data error, without the server's text, which may quote values."""
    kind = type(error).__name__
    if not isinstance(error, asyncpg.PostgresError):
        return RecordRejected(f"a value does not fit its column ({kind})")
    code: str = error.sqlstate or ""
    if code.startswith("22") or code in _DATA_ERRORS:
        return RecordRejected(f"SQLSTATE {code} ({kind})")
    return None
