"""A log as its database holds it, seen at one moment, for a verifier who trusts nothing in it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.gauge import Gauge
from asgi_audit.sqlalchemy.hardening import TABLES, NoAnswer, oddity, patient, restrain
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, checkpoints, leaves, records
from asgi_audit.verification.evidence import LARGEST, Leaf, Row, Stored, TooLarge, Unreadable

_PAGE: Final = 1000
_CHUNK_BYTES: Final = 2**21  # of rows that are in memory at a time
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OWN: Final = ("trail.erase", "trail.purge")
_HASH: Final = 64  # bytes; what is larger need not be looked at
_NOTE: Final = 2**17
_NAMES: Final = 255
_SEALED: Final = sa.exists().where(leaves.c.record_id == records.c.id)
_RAISED: Final = (SQLAlchemyError, ValueError, TypeError, ArithmeticError)
# What SQLite says of a file that is none of its own, or damaged, unless it can't even say it in UTF-8; another trouble
# is not the file's fault.
_DAMAGED: Final = ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR", "SQLITE_FORMAT")
# An expression can take as long as it likes for one row.
_COMPUTED: Final = """
SELECT m.name FROM sqlite_master m, pragma_index_list(m.tbl_name) i
WHERE m.type = 'index' AND lower(m.tbl_name) IN :names AND i.name = m.name
AND (i.partial OR EXISTS (SELECT 1 FROM pragma_index_xinfo(m.name) WHERE cid = -2))
"""


class _TooBig(Unreadable):
    """SQLite has come upon a value that it may not give us."""


class DatabaseEvidence:
    """Reads page by page, within one transaction; `async with` opens it. Rows are looked at for their size first."""

    def __init__(self, url_or_engine: str | URL | AsyncEngine) -> None:
        self._database = Database(url_or_engine)
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._odd: str | None = None
        self.name = self._database.name
        self.size = 0

    async def __aenter__(self) -> Self:
        self._database.require_file()
        self._engine = self._database.writing()
        if self._engine.dialect.driver == "aiosqlite":
            sa.event.listen(self._engine.sync_engine, "invalidate", _interrupt)
        try:
            self._connection = connection = await self._engine.connect()
            await self._begin(connection)
        except (DBAPIError, UnicodeError) as error:
            await self._close()
            if isinstance(error, UnicodeError) or getattr(error.orig, "sqlite_errorname", "").startswith(_DAMAGED):
                raise Unreadable(f"{self.name} can't be read: {_said(error)}") from None
            raise
        except BaseException:
            await self._close()
            raise
        return self

    async def _begin(self, connection: AsyncConnection) -> None:
        await restrain(connection)
        self._odd = await connection.run_sync(oddity)
        if self._odd is None:
            await connection.run_sync(require, self.name)
        await connection.rollback()
        dialect = connection.dialect.name
        if dialect == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        else:
            await connection.execution_options(isolation_level="REPEATABLE READ")
        if dialect == "postgresql":  # whoever may see a part only must not take it for the whole
            await connection.exec_driver_sql("SET LOCAL row_security = off")
        self._gauge = Gauge(dialect)
        if self._odd is None:
            try:
                self.size = await self._estimate()
            except Unreadable as error:  # which is a finding, and said in its turn
                self._odd = str(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def checkpoints(self) -> AsyncIterator[Stored]:
        """As `Evidence` has it."""
        if self._odd is not None:
            raise Unreadable(self._odd)
        gauge, kept = self._gauge, checkpoints.c
        key = gauge.number(kept.size), gauge.text(kept.signers, _NAMES)
        columns = sa.select(*key, gauge.text(kept.note, _NOTE), gauge.text(kept.peaks, _NOTE), gauge.number(kept.time))
        async for page in self._pages(columns, CHECKPOINTS, *checkpoints.primary_key):
            for size, signers, note, peaks, time in page:
                yield Stored(size, signers, note, peaks, _microseconds(time))

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        async for row in self._records(records.c.action.in_(_OWN)):
            yield row

    async def leaves(self) -> AsyncIterator[Leaf]:
        """As `Evidence` has it."""
        gauge, joined = self._gauge, leaves.outerjoin(records, records.c.id == leaves.c.record_id)
        ids = gauge.record_id(leaves.c.record_id), gauge.record_id(records.c.id)
        columns = sa.select(gauge.number(leaves.c.idx), gauge.text(leaves.c.hash, _HASH), *ids).select_from(joined)
        async for page in self._pages(columns, LEAVES, leaves.c.idx):
            sizes = await self._sizes([id_ for *_, id_ in page if id_ is not None])
            for chunk in _chunks(page, sizes):
                rows = await self._rows([id_ for *_, id_ in chunk if id_ is not None], sizes)
                for index, hashed, record_id, id_ in chunk:
                    yield Leaf(index, record_id, hashed, next(iter(rows.get(id_, ())), None))

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it. In the end, says what no row tells."""
        async for row in self._records(~_SEALED):
            yield row
        nameless = sa.select(sa.literal(1)).select_from(records).where(~self._gauge.is_id(records.c.id)).limit(1)
        if await self._ask(nameless, RECORDS):
            raise Unreadable(f"{RECORDS} has rows without an id")
        if self._gauge.sqlite:
            await self._check_file()

    async def _records(self, where: sa.ColumnElement[bool]) -> AsyncIterator[Row | TooLarge]:
        named = sa.select(records.c.id).where(where, self._gauge.is_id(records.c.id))
        async for page in self._pages(named, RECORDS, records.c.id):
            ids = list(dict.fromkeys(row[0] for row in page))
            sizes = await self._sizes(ids)
            for chunk in _chunks([(id_,) for id_ in ids], sizes):
                for rows in (await self._rows([id_ for (id_,) in chunk], sizes)).values():
                    for row in rows:
                        yield row

    async def _pages(
        self, columns: sa.Select[Any], table: str, *key: sa.ColumnElement[Any]
    ) -> AsyncIterator[Sequence[Any]]:
        """All rows in the order of the key, whose columns come first in them."""
        last: tuple[Any, ...] | None = None
        while True:
            statement = columns.order_by(*key).limit(_PAGE + 1)
            found = await self._ask(statement if last is None else statement.where(sa.tuple_(*key) > last), table)
            yield found[:_PAGE]
            if len(found) <= _PAGE:
                return
            before, last, after = last, *(tuple(row[: len(key)]) for row in found[_PAGE - 1 :])
            if None in last or last in {before, after}:
                raise Unreadable(f"{table} has rows without a key, or with the same")

    async def _sizes(self, ids: Sequence[Any]) -> dict[Any, int]:
        """How large the rows with these ids are."""
        sizes: dict[Any, int] = {}
        statement = sa.select(records.c.id, self._gauge.row()).where(records.c.id.in_(ids))
        try:
            for id_, size in await self._ask(statement, RECORDS) if ids else ():
                sizes[id_] = sizes.get(id_, 0) + size
        except _TooBig:
            if len(ids) == 1:
                return {ids[0]: LARGEST + 1}
            half = len(ids) // 2
            return await self._sizes(ids[:half]) | await self._sizes(ids[half:])
        return sizes

    async def _rows(self, ids: Sequence[Any], sizes: dict[Any, int]) -> dict[Any, list[Row | TooLarge]]:
        """The rows by their ids: one, unless somebody has taken away what keeps them apart."""
        found: dict[Any, list[Row | TooLarge]] = {}
        small = [id_ for id_ in ids if sizes.get(id_, 0) <= LARGEST]
        for row in await self._ask(sa.select(records).where(records.c.id.in_(small)), RECORDS) if small else ():
            found.setdefault(row[0], []).append(as_row(row))
        return found | {id_: [TooLarge(size, id_)] for id_ in ids if (size := sizes.get(id_, 0)) > LARGEST}

    async def _check_file(self) -> None:
        """Whether the indexes of SQLite's file say the same as its tables: we read by one, others by another."""
        odd = sa.text(_COMPUTED).bindparams(sa.bindparam("names", TABLES, expanding=True))
        for (name,) in await self._ask(odd, RECORDS):
            raise Unreadable(f"the index {name!r:.100} is over something that would have to be computed")
        for table in TABLES:  # this takes as long as the file is large, and no longer
            found = await self._ask(sa.text(f"PRAGMA integrity_check({table})"), table, within=nullcontext())
            if found[0][0] != "ok":
                raise Unreadable(f"the file is damaged: {found[0][0]!s:.200}")

    async def _estimate(self) -> int:
        found = await self._ask(sa.select(self._gauge.number(sa.func.max(leaves.c.idx))), LEAVES)
        highest = found[0][0]
        return highest + 1 if type(highest) is int and 0 <= highest < 2**40 else 0

    async def _ask(
        self, statement: sa.Executable, table: str, within: AbstractAsyncContextManager[None] | None = None
    ) -> Sequence[Any]:
        assert self._connection is not None
        try:
            async with within or patient(self._connection):
                return (await self._connection.execute(statement)).all()
        except NoAnswer as error:
            raise Unreadable(f"{table} can't be read: {error}") from None
        except _RAISED as error:
            too_big = isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorname", "") == "SQLITE_TOOBIG"
            raise (_TooBig if too_big else Unreadable)(f"{table} can't be read: {_said(error)}") from None

    async def _close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._engine is not None:
            await self._engine.dispose()


def _chunks(page: Sequence[Any], sizes: dict[Any, int]) -> Iterator[Sequence[Any]]:
    """The page in pieces whose records, by the ids in their last column, fit into memory together."""
    begin = total = 0
    for at, row in enumerate(page):
        size = min(sizes.get(row[-1], 0), LARGEST)
        if total + size > _CHUNK_BYTES and at > begin:
            yield page[begin:at]
            begin, total = at, 0
        total += size
    if page:
        yield page[begin:]


def _interrupt(dbapi_connection: Any, *_: object) -> None:
    """Whoever is cancelled still waits for SQLite's thread."""
    dbapi_connection.driver_connection._conn.interrupt()


def _said(error: Exception) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return f"{cause!s:.200}".encode(errors="backslashreplace").decode()


def _microseconds(time: object) -> int | None:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if isinstance(moment, datetime):
            aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return (aware - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        pass
    return None
