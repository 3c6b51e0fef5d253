"""The rows of a log's records, as they are stored."""

from typing import Any

import sqlalchemy as sa

from asgi_audit.record import Kind, Record
from asgi_audit.sqlalchemy import AuditStore
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.schema import records


async def rows(url: str) -> dict[str, dict[str, Any]]:
    """By the ids of the records."""
    engine = Database(url).writing()
    try:
        async with engine.connect() as connection:
            return {row.id: dict(row._mapping) for row in await connection.execute(sa.select(records))}
    finally:
        await engine.dispose()


async def entries(url: str, kind: Kind) -> list[Record]:
    """What the trail says of itself, of one kind, in its order."""
    async with AuditStore(url) as store:
        return [each async for each in store.query(kind=kind, oldest_first=True)]
