"""Reading the trail from an SQL database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self, Unpack

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.leaf import assemble
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.follow import WINDOW, Follower
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.sqlalchemy.schema import records
from asgi_audit.sqlalchemy.select import conditions
from asgi_audit.store import Filters, Page, Query, as_query, first_id, made_at

#: How many records `query` holds at a time.
_STREAM: Final = 500
_LARGEST_PAGE: Final = 1000

_COLUMNS: Final = (records.c.core, records.c.actor, records.c.target, records.c.detail)
_IDS: Final = sa.select(records.c.id)


class AuditStore:
    """The records of a database, for reading; nothing is ever created or changed.

    Takes a URL or an `AsyncEngine`, which is used as it is. `async with` keeps connections from one question to the
    next; without it each question makes its own, in whatever event loop it is asked. Records come without their salts,
    which belong to the rows; what was erased is None.
    """

    def __init__(self, url_or_engine: str | URL | AsyncEngine) -> None:
        self._database = Database(url_or_engine)
        self._engine: AsyncEngine | None = None
        self._kept: AsyncEngine | None = None
        self._checked = False
        self.name = self._database.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def __aenter__(self) -> Self:
        self._kept = self._database.reading(keep=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and self._database.owns(kept):
            await kept.dispose()

    async def query(
        self,
        query: Query | None = None,
        *,
        limit: int | None = None,
        oldest_first: bool = False,
        **filters: Unpack[Filters],
    ) -> AsyncIterator[Record]:
        """The matching records, newest first; a stream that may be left at any time.

        Filters are given by keyword or as a `Query`. Records that are stored meanwhile appear if their turn is still to
        come.
        """
        wanted = conditions(as_query(query, filters))
        left = limit
        after: str | None = None
        while left is None or left > 0:
            size = _STREAM if left is None else min(left, _STREAM)
            found = await self._slice(wanted, after, ascending=oldest_first, size=size)
            for record in found:
                yield record
            if len(found) < size:
                return
            after = found[-1].id
            if left is not None:
                left -= size

    async def page(
        self,
        query: Query | None = None,
        *,
        size: int = 50,
        older_than: str | None = None,
        newer_than: str | None = None,
        **filters: Unpack[Filters],
    ) -> Page:
        """One page: the newest, or the one that follows an id in either direction. Every page costs the same, however
        deep.
        """
        if not 1 <= size <= _LARGEST_PAGE:
            raise ConfigurationError("size", size, f"a page has 1 to {_LARGEST_PAGE} records")
        if older_than is not None and newer_than is not None:
            raise ConfigurationError("newer_than", newer_than, "give it or older_than, not both")
        wanted = conditions(as_query(query, filters))
        after = _id("older_than", older_than) or _id("newer_than", newer_than)
        upwards = newer_than is not None
        # One more than asked for tells whether there is more.
        found = await self._slice(wanted, after, ascending=upwards, size=size + 1)
        more = len(found) > size
        shown = found[:size]
        if upwards:
            shown.reverse()
        if not shown:
            return Page([], None, None)
        oldest, newest = shown[-1].id, shown[0].id
        return Page(
            shown,
            older=oldest if more or upwards else None,
            newer=newest if (more if upwards else older_than is not None) else None,
        )

    async def get(self, id: str) -> Record | None:
        """The record with this id."""
        try:
            wanted = str(uuid.UUID(id))
        except ValueError:
            return None
        found = await self._rows(sa.select(*_COLUMNS).where(records.c.id == wanted))
        return assemble(*found[0]) if found else None

    async def count(self, query: Query | None = None, **filters: Unpack[Filters]) -> int:
        """How many records match; the database looks at each of them."""
        wanted = conditions(as_query(query, filters))
        found = await self._rows(sa.select(sa.func.count()).select_from(records).where(*wanted))
        return int(found[0][0])

    async def follow(
        self, query: Query | None = None, *, poll: float = 1.0, **filters: Unpack[Filters]
    ) -> AsyncIterator[Record]:
        """What is stored from now on, or from `since` on: a live view that ends when it is left.

        It looks every `poll` seconds. Several workers commit out of order, so it looks again at the last two minutes
        each time; what arrives later than that is in the trail, and not in the view.
        """
        asked = as_query(query, filters)
        wanted = conditions(asked)
        start = asked.ids[0]
        follower = Follower(start or await self._newest())
        if start is None:
            async for ids in self._ids(wanted, follower.floor):
                follower.unseen(ids)
        while True:
            async for ids in self._ids(wanted, follower.floor):
                new = follower.unseen(ids)
                if new:
                    for record in await self._slice([records.c.id.in_(new)], None, ascending=True, size=_STREAM):
                        yield record
            await asyncio.sleep(poll)

    async def _newest(self) -> str:
        """Where a live view begins: so far before the newest id that no id below it is still on its way."""
        found = await self._rows(_IDS.order_by(records.c.id.desc()).limit(1))
        return first_id(made_at(found[0][0]) - WINDOW if found else 0)

    async def _slice(
        self, wanted: list[sa.ColumnElement[bool]], after: str | None, *, ascending: bool, size: int
    ) -> list[Record]:
        column = records.c.id
        if after is not None:
            wanted = [*wanted, column > after if ascending else column < after]
        order = column.asc() if ascending else column.desc()
        return [
            assemble(*row) for row in await self._rows(sa.select(*_COLUMNS).where(*wanted).order_by(order).limit(size))
        ]

    async def _ids(self, wanted: list[sa.ColumnElement[bool]], floor: str) -> AsyncIterator[list[str]]:
        """All matching ids from `floor` on, oldest first, in batches."""
        where = records.c.id >= floor
        while True:
            ids = [row[0] for row in await self._rows(_IDS.where(*wanted, where).order_by(records.c.id).limit(_STREAM))]
            yield ids
            if len(ids) < _STREAM:
                return
            where = records.c.id > ids[-1]

    async def _rows(self, statement: sa.Select[Any]) -> list[Any]:
        if self._kept is None and self._engine is None:
            self._engine = self._database.reading(keep=False)
        engine = self._kept or self._engine
        assert engine is not None
        async with engine.connect() as connection:
            if not self._checked:
                await connection.run_sync(require, self.name)
                self._checked = True
            return list((await connection.execute(statement)).all())


def _id(argument: str, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ConfigurationError(
            argument, value, "give the id of a record, as page.older and page.newer have it"
        ) from None
