"""Erasure: parts of records go, with their salts and columns; what remains still proves that the records were there."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.report import Progress, unseen
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy.alteration import Inspection
from asgi_audit.sqlalchemy.clerk import Clerk
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.door import Door
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import leaves, records
from asgi_audit.sqlalchemy.select import conditions
from asgi_audit.sqlalchemy.visit import visiting
from asgi_audit.sqlalchemy.warrant import ERASABLE_KINDS
from asgi_audit.store import Query

_BATCH: Final = 500  # records that one record of an erasure names


class Erased(NamedTuple):
    """How many records have lost something, and the ids of the records that say so."""

    records: int
    entries: list[str]


class Eraser:
    """Erases parts of the records that match a query, or have one of the ids; never of the trail's own.

    It reaches what this database stores. What waits in journals, or went to other sinks, is not reached.
    """

    def __init__(
        self, url_or_engine: str | URL | AsyncEngine, *, parts: Sequence[str] = ("actor",), mac: MacKey | None = None
    ) -> None:
        self._database = Database(url_or_engine)
        self._parts = tuple(name for name in PARTS if name in parts)
        self._mac = mac
        self.name = self._database.name
        if not self._parts or set(parts) - set(PARTS):
            raise ConfigurationError("parts", parts, f"choose from {', '.join(PARTS)}")

    async def count(self, query: Query | None = None, ids: Sequence[str] = ()) -> int:
        """How many records would lose something."""
        async with visiting(self._database) as connection:
            wanted = sa.select(sa.func.count()).select_from(records).where(*self._where(query, ids))
            return int(await connection.scalar(wanted) or 0)

    async def erase(
        self,
        query: Query | None = None,
        ids: Sequence[str] = (),
        *,
        reason: str,
        progress: Progress = unseen,
    ) -> Erased:
        """Erase, a few hundred records in each transaction, with the record that names them and the reason.

        Raises `EvidenceAltered` at a record that is not what it was. Whether it has a MAC is not asked: that is of the
        core, and stays.
        """
        if not reason.strip():
            raise ConfigurationError("reason", reason, "say why: it stays in the trail for ever, so name no person")
        total = await self.count(query, ids)
        done = 0
        entries: list[str] = []
        async with visiting(self._database) as connection:
            door, clerk, inspection = await Door.of(connection), Clerk(connection, self._mac), Inspection()
            joined = records.outerjoin(leaves, leaves.c.record_id == records.c.id)
            batch = sa.select(leaves.c.idx, leaves.c.hash, *records.c).select_from(joined)
            batch = batch.where(*self._where(query, ids)).order_by(records.c.id).limit(_BATCH)
            wanted = batch
            while True:
                rows = (await connection.execute(wanted)).all()
                await connection.rollback()
                if not rows:
                    return Erased(done, entries)
                for index, hashed, *values in rows:
                    inspection.inspect(as_row(values), index, hashed)
                found = [row.id for row in rows]
                entry = clerk.entry(Kind.ERASE, reason, {"records": found, "parts": list(self._parts)})
                done += await door.erase(entry, found, self._parts)
                await clerk.commit()
                entries.append(entry["id"])
                wanted = batch.where(records.c.id > found[-1])
                progress(done, max(done, total))

    def _where(self, query: Query | None, ids: Sequence[str]) -> list[sa.ColumnElement[bool]]:
        if query is None and not ids:
            raise ConfigurationError("query", query, "say which records: by a query, or by their ids")
        wanted: list[Any] = [records.c.kind.in_(ERASABLE_KINDS)]
        wanted.append(sa.or_(*(records.c[part].is_not(None) for part in self._parts)))
        if query is not None:
            wanted += conditions(query)
        if ids:
            wanted.append(records.c.id.in_(ids))
        return wanted
