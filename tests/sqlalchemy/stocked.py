"""A database with a few sealed records, and the entries that erase and purge them."""

import os
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.ids import IdSource
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.record import VERSION, Kind, Record
from asgi_audit.sqlalchemy import SQLAlchemySink, upgrade_database
from asgi_audit.sqlalchemy.appendonly import install
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.door import Door
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS, checkpoints, leaves, metadata, records
from tests.samples import record
from tests.samples import records as sample

TABLES = ("audit_records", "audit_leaves", "audit_checkpoints", "audit_schema")

_ids = IdSource()


def engine(url: str) -> AsyncEngine:
    """One for connections of our own."""
    return Database(url).writing()


async def stock(url: str, *, append_only: bool = True) -> list[Record]:
    """Ten records of the application and one each of a loss, an erasure and a purge; the first twelve are sealed."""
    stored = [*sample(10), *(record(kind=kind) for kind in (Kind.LOSS, Kind.ERASE, Kind.PURGE))]
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write(stored)
    await sink.close()
    making = engine(url)
    async with making.begin() as connection:
        cores = (await connection.execute(sa.select(records.c.id, records.c.core).order_by(records.c.id))).all()
        for index, (id_, core) in enumerate(cores[:12]):
            leaf = {"idx": index, "record_id": id_, "hash": leaf_hash(core.encode())}
            await connection.execute(leaves.insert(), leaf)
        now: Any = "2026-11-23T00:00:00.000000Z" if making.dialect.name == "sqlite" else datetime.now(UTC)
        for size in (3, 12):
            row = {"size": size, "signers": "", "note": "n", "peaks": b"", "time": now}
            await connection.execute(checkpoints.insert(), row)
        if append_only:
            assert await connection.run_sync(install)
    await making.dispose()
    return stored


async def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    reading = engine(url)
    async with reading.connect() as connection:
        found = {
            table.name: [tuple(row) for row in await connection.execute(sa.select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }
    await reading.dispose()
    assert set(found) == set(TABLES)
    return found


async def row_of(url: str, id_: str) -> dict[str, Any] | None:
    """A record's row, by column."""
    for row in (await content(url))["audit_records"]:
        if row[0] == id_:
            return dict(zip(COLUMNS, row, strict=True))
    return None


def entry(kind: Kind, data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The row of an erase or purge record."""
    fields: dict[str, Any] = {"reason": "Art. 17 GDPR", "time": datetime.now(UTC)} | changes
    made = Record(
        v=VERSION,
        id=_ids.new_id(),
        kind=kind,
        action=f"trail.{kind}",
        writer=os.urandom(16).hex(),
        seq=0,
        data=data,
        **fields,
    )
    return dict(zip(COLUMNS, build(made), strict=True))


def erase_entry(ids: list[str], parts: list[str], **changes: Any) -> dict[str, Any]:
    """The row of a record that erases."""
    return entry(Kind.ERASE, {"records": ids, "parts": parts}, **changes)


def purge_entry(*ranges: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """The row of a record that purges these ranges."""
    data = {"ranges": [[*each, "00" * 32] for each in ranges], "before": "2027-01-01T00:00:00Z"}
    return entry(Kind.PURGE, data, **changes)


async def erase(url: str, row: dict[str, Any], ids: list[str], parts: list[str]) -> int:
    """Erase in a transaction of its own."""
    made = engine(url)
    try:
        async with made.begin() as connection:
            return await (await Door.of(connection)).erase(row, ids, parts)
    finally:
        await made.dispose()


async def purge(url: str, row: dict[str, Any], ids: list[str]) -> int:
    """Purge in a transaction of its own."""
    made = engine(url)
    try:
        async with made.begin() as connection:
            return await (await Door.of(connection)).purge(row, ids)
    finally:
        await made.dispose()


async def run(url: str, *calls: Any) -> list[Any]:
    """What the calls say, one after the other in one transaction."""
    made = engine(url)
    try:
        async with made.begin() as connection:
            return [await connection.run_sync(call) for call in calls]
    finally:
        await made.dispose()


async def prepare(url: str) -> str:
    """Make tables and triggers."""
    await upgrade_database(url)
    await run(url, install)
    return url
