"""How stored rows are changed: only to erase and to purge, and only with the record that says so."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy import appendonly_postgres
from asgi_audit.sqlalchemy.appendonly_plpgsql import ERASE, PURGE
from asgi_audit.sqlalchemy.appendonly_sqlite import FUNCTION
from asgi_audit.sqlalchemy.schema import COLUMNS, checkpoints, leaves, records
from asgi_audit.sqlalchemy.transaction import begin
from asgi_audit.sqlalchemy.warrant import ERASABLE, ERASABLE_KINDS, KEPT_KINDS, EntryError, erasure, purge

#: So many rows are changed by one statement.
_CHUNK: Final = 500


class Door:
    """The one way in which stored rows are changed: with the record that says so, in the caller's transaction.

    Whatever is installed, the same is done and the same refused. `entry` is the whole row of the erase or purge record,
    by column, and is stored by the door. When something raises, nothing was changed and the door is closed; the caller
    may go on in his transaction, or end it.
    """

    def __init__(self, connection: AsyncConnection, schema: str | None = None) -> None:
        self._connection = connection
        self._schema = schema
        self._closed = True

    @classmethod
    async def of(cls, connection: AsyncConnection) -> "Door":
        """The door of a database: PostgreSQL's functions if they are there, else statements of our own."""
        if connection.dialect.name == "postgresql":
            return cls(connection, await connection.run_sync(_schema_with_functions))
        door = cls(connection)
        if connection.dialect.name == "sqlite":
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.create_function(FUNCTION, 0, door._is_closed)
        return door

    async def erase(self, entry: Mapping[str, Any], ids: Sequence[str], parts: Sequence[str]) -> int:
        """Empty these parts of these records, with salts and projections; how many records had any of it left.

        Only records of the application lose parts. Raises `EntryError` unless `entry` names just these.
        """
        named = erasure(entry)
        if set(named.records) != set(ids) or set(named.parts) != set(parts):
            raise EntryError("the record names other records or parts than are to be erased")
        if self._schema is not None:
            return await self._call(self._schema, ERASE, entry)
        columns = [records.c[name] for part in ERASABLE if part in parts for name in ERASABLE[part]]
        change = records.update().values(dict.fromkeys(columns, sa.null()))
        still_there = sa.or_(*(column.is_not(None) for column in columns))
        return await self._change(entry, change.where(records.c.kind.in_(ERASABLE_KINDS), still_there), ids)

    async def purge(self, entry: Mapping[str, Any], ids: Sequence[str]) -> int:
        """Delete the records whose leaves stand in the ranges that `entry` names; how many there were.

        Records of losses, erasures and purges stay. Raises `EntryError` if another record would go than `ids` has, or
        one that no checkpoint covers.
        """
        named = purge(entry)
        sealed = await self._connection.scalar(sa.select(sa.func.max(checkpoints.c.size))) or 0
        if any(last >= sealed for _, last, _ in named.ranges):
            raise EntryError("only what a checkpoint covers is purged")
        going = [each for first, last, _ in named.ranges for each in await self._purgeable(first, last)]
        if not set(going) <= set(ids):
            raise EntryError("the record names other records than are to be purged")
        if self._schema is not None:
            return await self._call(self._schema, PURGE, entry)
        return await self._change(entry, records.delete(), going)

    async def _purgeable(self, first: int, last: int) -> Sequence[str]:
        where = leaves.c.idx.between(first, last) & records.c.kind.not_in(KEPT_KINDS)
        joined = records.join(leaves, records.c.id == leaves.c.record_id)
        return (await self._connection.scalars(sa.select(records.c.id).select_from(joined).where(where))).all()

    async def _call(self, schema: str, function: str, entry: Mapping[str, Any]) -> int:
        row = {name: entry[name] for name in COLUMNS} | {"time": utc_text(entry["time"])}
        statement = sa.text(f"SELECT {schema}.{function}(CAST(:entry AS json))")
        async with self._connection.begin_nested():
            return int(await self._connection.scalar(statement, {"entry": msgspec.json.encode(row).decode()}))

    async def _change(self, entry: Mapping[str, Any], statement: sa.Update | sa.Delete, ids: Sequence[str]) -> int:
        changed = 0
        async with self._opened(entry):
            for start in range(0, len(ids), _CHUNK):
                chunk = statement.where(records.c.id.in_(ids[start : start + _CHUNK]))
                changed += (await self._connection.execute(chunk)).rowcount
        return changed

    @asynccontextmanager
    async def _opened(self, entry: Mapping[str, Any]) -> AsyncIterator[None]:
        """Within it rows can be changed, for the entry is stored."""
        await self._connection.run_sync(begin)
        async with self._connection.begin_nested():
            await self._store(entry)
            self._closed = False
            try:
                yield
            finally:
                self._closed = True

    def _is_closed(self) -> bool:
        """What SQLite's triggers ask, on the driver's thread; the connection keeps it, and it stays true."""
        return self._closed

    async def _store(self, entry: Mapping[str, Any]) -> None:
        time: datetime = entry["time"]
        stored: Any = utc_text(time) if self._connection.dialect.name == "sqlite" else time.astimezone(UTC)
        row = {name: entry[name] for name in COLUMNS} | {"time": stored}
        done = await self._connection.execute(records.insert(), row, execution_options={"preserve_rowcount": True})
        if done.rowcount != 1:  # SQLite's trigger passes over what is there already
            raise EntryError("the record is stored already")


def _schema_with_functions(connection: sa.Connection) -> str | None:
    """The schema of the tables, if the functions are in it."""
    if not {ERASE, PURGE} <= appendonly_postgres.functions(connection):
        return None
    return appendonly_postgres.place(connection).schema
