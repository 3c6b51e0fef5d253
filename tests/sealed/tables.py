"""What the tables of a sealed log hold, read and reckoned without the sealer, and changed as their owner can."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.schema import checkpoints, leaves, records


class Tables(NamedTuple):
    """Cores by ids, in the order of these; leaves in the order of their indexes; checkpoints in that of their sizes."""

    cores: dict[str, str]
    leaves: list[tuple[int, str, bytes]]
    checkpoints: list[tuple[int, str, bytes]]

    @property
    def sealed(self) -> list[str]:
        """The ids of the sealed records, in the order in which they were sealed."""
        return [id_ for _, id_, _ in self.leaves]

    @property
    def sizes(self) -> list[int]:
        """Those of the checkpoints."""
        return [size for size, _, _ in self.checkpoints]

    @property
    def notes(self) -> list[str]:
        """The checkpoints as they were signed."""
        return [note for _, note, _ in self.checkpoints]


async def read(url: str) -> Tables:
    """Everything, in its order."""
    engine = Database(url).writing()
    async with engine.connect() as connection:
        found = Tables(
            {row[0]: row[1] for row in await _all(connection, sa.select(records.c.id, records.c.core), records.c.id)},
            await _all(connection, sa.select(leaves.c.idx, leaves.c.record_id, leaves.c.hash), leaves.c.idx),
            await _all(
                connection,
                sa.select(checkpoints.c.size, checkpoints.c.note, checkpoints.c.peaks),
                checkpoints.c.size,
                checkpoints.c.time,
            ),
        )
    await engine.dispose()
    return found


async def change(url: str, *statements: str, **values: Any) -> None:
    """Run statements in one transaction."""
    engine = Database(url).writing()
    async with engine.begin() as connection:
        for statement in statements:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            await connection.execute(sa.text(statement), named)
    await engine.dispose()


async def roll_back(url: str, size: int) -> None:
    """What a backup would bring back that was made when the tree was of that size."""
    await change(
        url,
        "DELETE FROM audit_records WHERE id IN (SELECT record_id FROM audit_leaves WHERE idx >= :size)",
        "DELETE FROM audit_leaves WHERE idx >= :size",
        "DELETE FROM audit_checkpoints WHERE size > :size",
        size=size,
    )


async def sound(url: str) -> Tables:
    """Make sure that leaves, notes and peaks belong together, and that no record has two leaves."""
    found = await read(url)
    assert [index for index, _, _ in found.leaves] == list(range(len(found.leaves)))
    assert len(set(found.sealed)) == len(found.leaves)
    hashes = [each for _, _, each in found.leaves]
    assert hashes == [sha256(b"\x00" + found.cores[id_].encode()).digest() for id_ in found.sealed]
    for size, note, peaks in found.checkpoints:
        checkpoint = Checkpoint.parse(Note.parse(note).text)
        assert checkpoint[1:] == (size, root(hashes[:size]))
        assert peaks == b"".join(_peaks(hashes[:size]))
    return found


def root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word; of leaves that are hashed already."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:])).digest()


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """The roots of the perfect subtrees, the largest first."""
    if not hashes:
        return []
    k = 1 << (len(hashes).bit_length() - 1)
    return [root(hashes[:k]), *_peaks(hashes[k:])]


async def _all(connection: AsyncConnection, statement: sa.Select[Any], *order: sa.Column[Any]) -> list[Any]:
    return [tuple(row) for row in await connection.execute(statement.order_by(*order))]
