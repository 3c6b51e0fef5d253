"""Taking the proof of one record out of a database."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import AuditError
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.merkle import inclusion_ranges
from asgi_audit.integrity.proof import Proof
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import records
from asgi_audit.sqlalchemy.tree import Tree

_NOT_YET: Final = "the record is not sealed yet: `asgi-audit seal` does it"


class NoProof(AuditError):  # noqa: N818 - named as what it is
    """There is no such record, or nothing to prove it by."""


async def prove(url_or_engine: str | URL | AsyncEngine, record_id: str, *, shown: Sequence[str] = PARTS) -> Proof:
    """The proof of a record by the newest checkpoint. Reads every leaf of the tree once."""
    database = Database(url_or_engine)
    database.require_file()
    engine = database.writing()
    try:
        async with engine.connect() as connection:
            await connection.run_sync(require, database.name)
            stored = (await connection.execute(sa.select(records).where(records.c.id == record_id))).first()
            if stored is None:
                raise NoProof(f"there is no record {record_id}")
            tree = Tree(connection)
            place = await tree.place_of(record_id)
            kept = await tree.newest()
            if place is None or kept is None or kept.size <= place[0]:
                raise NoProof(_NOT_YET)
            index = place[0]
            hashes = [await tree.root_of(*stretch) for stretch in inclusion_ranges(index, kept.size)]
            return Proof.of(index, as_row(stored), hashes, kept.note, shown)
    finally:
        await engine.dispose()
