"""A log as its database holds it, seen at one moment, for a verifier who trusts nothing in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, cast

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import LARGEST, harden
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, checkpoints, leaves, records
from asgi_audit.verification.evidence import Leaf, Row, Stored, TooLarge, Unreadable

_PAGE: Final = 1000
_CHUNK_BYTES: Final = 2**23  # of rows that are in memory at a time
_PATIENCE: Final = 120.0  # seconds for one answer of the database
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OWN: Final = ("trail.erase", "trail.purge")
# Whatever is there, and not what the type says should be there.
_HASH: Final = sa.type_coerce(leaves.c.hash, sa.types.NULLTYPE)
_SEALED: Final = sa.exists().where(leaves.c.record_id == records.c.id)


class DatabaseEvidence:
    """Reads page by page, within one transaction; `async with` opens it. Rows are looked at for their size first."""

    def __init__(self, url_or_engine: str | URL | AsyncEngine) -> None:
        self._database = Database(url_or_engine)
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._driver: Any = None
        self.name = self._database.name
        self.size = 0

    async def __aenter__(self) -> Self:
        self._database.require_file()
        self._engine = self._database.writing()
        try:
            self._connection = connection = await self._engine.connect()
            await harden(connection)
            await connection.run_sync(require, self.name)
            await connection.rollback()
            if connection.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            self._driver = (await connection.get_raw_connection()).driver_connection
            self._bytes = _bytes(connection.dialect.name)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def checkpoints(self) -> AsyncIterator[Stored]:
        """As `Evidence` has it."""
        await self._require_tables()
        self.size = await self._estimate()
        columns = sa.select(*checkpoints.primary_key, checkpoints.c.note, checkpoints.c.time)
        async for page in self._pages(columns, CHECKPOINTS, *checkpoints.primary_key):
            for size, _, note, time in page:
                yield Stored(size, note, _microseconds(time))

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        own = sa.select(records.c.id, self._bytes).where(records.c.action.in_(_OWN))
        async for page in self._pages(own, RECORDS, records.c.id):
            for chunk in _chunks(page):
                for row in (await self._rows(chunk)).values():
                    yield row

    async def leaves(self) -> AsyncIterator[Leaf]:
        """As `Evidence` has it."""
        joined = leaves.outerjoin(records, records.c.id == leaves.c.record_id)
        columns = sa.select(leaves.c.idx, leaves.c.record_id, _HASH, records.c.id, self._bytes).select_from(joined)
        async for page in self._pages(columns, LEAVES, leaves.c.idx):
            for chunk in _chunks(page):
                rows = await self._rows([(id_, size) for *_, id_, size in chunk if id_ is not None])
                for index, record_id, hashed, id_, _ in chunk:
                    yield Leaf(index, record_id, hashed, rows.get(id_))

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        columns = sa.select(records.c.id, self._bytes).where(~_SEALED)
        async for page in self._pages(columns, RECORDS, records.c.id):
            for chunk in _chunks(page):
                for row in (await self._rows(chunk)).values():
                    yield row

    async def _pages(
        self, columns: sa.Select[Any], table: str, *key: sa.ColumnElement[Any]
    ) -> AsyncIterator[Sequence[Any]]:
        """All rows in the order of the key, whose columns come first in them."""
        last: tuple[Any, ...] | None = None
        while True:
            statement = columns.order_by(*key).limit(_PAGE)
            page = await self._ask(statement if last is None else statement.where(sa.tuple_(*key) > last), table)
            yield page
            if len(page) < _PAGE:
                return
            end = tuple(page[-1][: len(key)])
            if None in end or end == last:
                raise Unreadable(f"{table} has no key any more")
            last = end

    async def _rows(self, sizes: Sequence[Any]) -> dict[Any, Row | TooLarge]:
        """The rows with these ids, of which the sizes are known, by their ids."""
        found: dict[Any, Row | TooLarge] = {id_: TooLarge(size) for id_, size in sizes if size > LARGEST}
        ids = [id_ for id_, size in sizes if size <= LARGEST]
        for row in await self._ask(sa.select(records).where(records.c.id.in_(ids)), RECORDS):
            found[row[0]] = as_row(row)
        return found

    async def _require_tables(self) -> None:
        """Views and virtual tables could go on for ever."""
        assert self._connection is not None
        for name in (RECORDS, LEAVES, CHECKPOINTS):
            if not await self._connection.run_sync(_is_table, name):
                raise Unreadable(f"{name} is no table")

    async def _estimate(self) -> int:
        found = await self._ask(sa.select(sa.func.max(leaves.c.idx)), LEAVES)
        highest = found[0][0]
        return highest + 1 if type(highest) is int and 0 <= highest < 2**40 else 0

    async def _ask(self, statement: sa.Select[Any], table: str) -> Sequence[Any]:
        assert self._connection is not None
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._connection.execute(statement)
                return cast("Sequence[Any]", found.all())
        except TimeoutError:
            if hasattr(self._driver, "interrupt"):  # SQLite goes on in its own thread otherwise
                await self._driver.interrupt()
            raise Unreadable(f"{table} can't be read: no answer within {_PATIENCE:g} s") from None
        except (SQLAlchemyError, ValueError, TypeError, OverflowError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise Unreadable(f"{table} can't be read: {cause!s:.200}") from None

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._engine is not None:
            await self._engine.dispose()


def _chunks(page: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The page in pieces whose rows, by the size in their last column, fit into memory together."""
    begin = total = 0
    for at, row in enumerate(page):
        size = min(row[-1] or 0, LARGEST)
        if total + size > _CHUNK_BYTES and at > begin:
            yield page[begin:at]
            begin, total = at, 0
        total += size
    if page:
        yield page[begin:]


def _bytes(dialect: str) -> sa.ColumnElement[int]:
    """How large a row's values are together."""
    if dialect == "sqlite":  # where any column may hold anything
        sizes = [sa.func.length(sa.cast(column, sa.LargeBinary)) for column in records.c]
    else:
        sizes = [sa.func.octet_length(column) for column in records.c if isinstance(column.type, sa.String)]
    total: sa.ColumnElement[int] = sa.literal_column("0", sa.BigInteger)
    for size in sizes:
        total = total + sa.func.coalesce(size, sa.literal_column("0"))
    return total


def _is_table(connection: sa.Connection, name: str) -> bool:
    if name not in sa.inspect(connection).get_table_names():
        return False
    if connection.dialect.name == "sqlite":
        sql = sa.text("SELECT sql FROM sqlite_master WHERE name = :name AND type = 'table'")
        return str(connection.scalar(sql, {"name": name})).upper().startswith("CREATE TABLE")
    if connection.dialect.name == "postgresql":
        kind = sa.text("SELECT relkind IN ('r', 'p') FROM pg_class WHERE oid = to_regclass(:name)")
        return bool(connection.scalar(kind, {"name": name}))
    return True


def _microseconds(time: object) -> int | None:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if isinstance(moment, datetime):
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return (aware - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        pass
    return None
