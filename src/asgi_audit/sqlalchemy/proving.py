"""Taking the proof of one record out of a database."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.errors import AuditError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.merkle import inclusion_ranges, root_by_inclusion
from asgi_audit.integrity.note import Note
from asgi_audit.integrity.proof import Proof
from asgi_audit.sqlalchemy.alteration import EvidenceAltered, Inspection
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import records
from asgi_audit.sqlalchemy.tree import Tree
from asgi_audit.sqlalchemy.visit import visiting

_NOT_YET: Final = "the record is not sealed yet: `asgi-audit seal` does it"


class NoProof(AuditError):  # noqa: N818 - named as what it is
    """There is no such record, or nothing to prove it by."""


async def prove(url_or_engine: str | URL | AsyncEngine, record_id: str, *, shown: Sequence[str] = PARTS) -> Proof:
    """The proof of a record by the newest checkpoint. Reads every leaf of the tree once.

    Raises `NoProof`, and `EvidenceAltered` if the record or the tree is not what was sealed: that could be proved to
    nobody.
    """
    async with visiting(Database(url_or_engine)) as connection:
        stored = (await connection.execute(sa.select(records).where(records.c.id == record_id))).first()
        if stored is None:
            raise NoProof(f"there is no record {record_id}")
        tree = Tree(connection)
        place = await tree.place_of(record_id)
        kept = await tree.newest()
        if place is None or kept is None or kept.size <= place[0]:
            raise NoProof(_NOT_YET)
        index, hashed = place
        row = as_row(stored)
        Inspection().inspect(row, index, hashed)
        hashes = [await tree.root_of(*stretch) for stretch in inclusion_ranges(index, kept.size)]
    if root_by_inclusion(index, kept.size, hashed, hashes) != Checkpoint.parse(Note.parse(kept.note).text).root:
        raise EvidenceAltered("the tree is not the one that was sealed; `asgi-audit verify` tells more")
    return Proof.of(index, row, hashes, kept.note, shown)
