"""The trail as it stands in the database, read past the library."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Any

import asyncpg


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A record, as far as it matters here."""

    id: str
    writer: str
    seq: int
    kind: str
    parent: str | None = None
    method: str | None = None
    path: str | None = None
    status: int | None = None
    outcome: str | None = None
    request_id: str | None = None
    target_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)


_COLUMNS = [*Row.__slots__[:-1], "detail"]
_QUERY = f"SELECT {', '.join(_COLUMNS)} FROM audit_records ORDER BY writer, seq"


def rows(url: str) -> list[Row]:
    """All records by writer and sequence number; none if there is no table yet."""
    found = _in_sqlite(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else asyncio.run(_in_postgres(url))
    return [_row(dict(zip(_COLUMNS, values, strict=True))) for values in found]


def _row(columns: dict[str, Any]) -> Row:
    columns["id"] = str(columns["id"])
    columns["parent"] = columns["parent"] and str(columns["parent"])
    columns["data"] = json.loads(columns.pop("detail") or "{}").get("data", {})
    return Row(**columns)


def _in_sqlite(path: str) -> Iterable[Any]:
    with closing(sqlite3.connect(path)) as connection:
        try:
            return connection.execute(_QUERY).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise


async def _in_postgres(url: str) -> Iterable[Any]:
    connection = await asyncpg.connect(url)
    try:
        found: Iterable[Any] = await connection.fetch(_QUERY)
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await connection.close()
    return found


@asynccontextmanager
async def occupied(url: str) -> AsyncIterator[None]:
    """Let the database take no records meanwhile, as when somebody else has locked it."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE audit_records IN SHARE MODE")
            yield
    finally:
        await connection.close()
