"""Any other database, through SQLAlchemy Core: slower, and with the privilege to read."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity.mac import MacKey
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.rows import Row, build
from asgi_audit.sqlalchemy.schema import COLUMNS, records
from asgi_audit.sqlalchemy.writer import SequenceConflict


class PortableWriter:
    """Writes through SQLAlchemy's own insert."""

    def __init__(self, connection: AsyncConnection, key: MacKey | None) -> None:
        self._connection = connection
        self._key = key

    async def prepare(self) -> None:
        """Nothing to set up."""

    def abandon(self) -> None:
        """There is no thread that we know of."""

    async def write(self, batch: Sequence[Record]) -> None:
        """Insert in one transaction, or row by row in savepoints if some are already stored."""
        rows = [_adapt(build(record, self._key)) for record in batch]
        try:
            async with self._connection.begin():
                try:
                    async with self._connection.begin_nested():
                        await self._connection.execute(records.insert(), rows)
                except IntegrityError:
                    for row in rows:
                        await self._insert(row)
        except DBAPIError as error:
            # Not every driver's errors come as SQLAlchemy's DataError; class 22 of SQLSTATE means the same.
            if isinstance(error, DataError) or str(getattr(error.orig, "sqlstate", "")).startswith("22"):
                raise RecordRejected(f"a value does not fit its column ({type(error.orig).__name__})") from None
            raise

    async def _insert(self, row: dict[str, Any]) -> None:
        try:
            async with self._connection.begin_nested():
                await self._connection.execute(records.insert(), row)
        except IntegrityError as error:
            if await self._exists(records.c.id == row["id"]):
                return
            if await self._exists((records.c.writer == row["writer"]) & (records.c.seq == row["seq"])):
                raise SequenceConflict from None
            raise RecordRejected(f"a constraint refuses it ({type(error.orig).__name__})") from None

    async def _exists(self, where: sa.ColumnElement[bool]) -> bool:
        return await self._connection.scalar(sa.select(records.c.id).where(where)) is not None


def _adapt(row: Row) -> dict[str, Any]:
    values = dict(zip(COLUMNS, row, strict=True))
    values["time"] = values["time"].astimezone(UTC)
    return values
