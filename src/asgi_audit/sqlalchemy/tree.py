"""The Merkle tree as the database holds it: leaves that are only added, and the checkpoints that were made of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import AuditError
from asgi_audit.integrity.merkle import HASH_BYTES, CompactRange
from asgi_audit.integrity.note import Signer
from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy.schema import checkpoints, leaves, records

_PAGE: Final = 10_000  # leaves that are read at a time

_SEALED: Final = sa.exists().where(leaves.c.record_id == records.c.id)
_KEPT: Final = (checkpoints.c.size, checkpoints.c.note, checkpoints.c.peaks)
_UNSEALED: Final = sa.select(records.c.id, records.c.core).where(~_SEALED).order_by(records.c.id)


class GaveWay(AuditError):  # noqa: N818 - named as what it is
    """Another sealer has given the same index, or signed the same size, a moment earlier."""

    def __init__(self) -> None:
        super().__init__("another sealer is at work on this database; this one has given way")


class BrokenTree(AuditError):  # noqa: N818 - named as what it is
    """What the database holds is no tree that could grow: somebody has changed it."""


class Kept(NamedTuple):
    """A row of `audit_checkpoints`; several may be of one size, signed by different keys."""

    size: int
    note: str
    peaks: bytes


class Tree:
    """Reads the tree and lets it grow, over one connection; for one task at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def newest(self) -> Kept | None:
        """The last checkpoint of the largest tree."""
        largest = sa.select(*_KEPT).order_by(checkpoints.c.size.desc(), checkpoints.c.time.desc()).limit(1)
        found = (await self._connection.execute(largest)).first()
        return None if found is None else Kept(*found)

    async def at(self, size: int) -> list[Kept]:
        """The checkpoints of the tree of that size."""
        found = await self._connection.execute(sa.select(*_KEPT).where(checkpoints.c.size == size))
        return [Kept(*row) for row in found]

    async def hashes(self, first: int, last: int | None = None) -> AsyncIterator[bytes]:
        """The leaves from index `first` on, before `last`; raises `BrokenTree` where one is missing."""
        index = first
        while last is None or index < last:
            where = leaves.c.idx >= index if last is None else leaves.c.idx.between(index, last - 1)
            statement = sa.select(leaves.c.idx, leaves.c.hash).where(where).order_by(leaves.c.idx).limit(_PAGE)
            found = (await self._connection.execute(statement)).all()
            for at, leaf in found:
                if at != index:
                    raise BrokenTree(f"the leaf {index} is missing from the database")
                if not isinstance(leaf, bytes) or len(leaf) != HASH_BYTES:
                    raise BrokenTree(f"the leaf {index} in the database is no hash")
                index += 1
                yield leaf
            if len(found) < _PAGE:
                break
        if last is not None and index < last:
            raise BrokenTree(f"the leaf {index} is missing from the database")

    async def root_of(self, first: int, last: int) -> bytes:
        """The root of the tree of these leaves alone."""
        stretch = CompactRange()
        async for leaf in self.hashes(first, last):
            stretch.append(leaf)
        return stretch.root()

    async def place_of(self, record_id: str) -> tuple[int, bytes] | None:
        """The index and the leaf of a record."""
        statement = sa.select(leaves.c.idx, leaves.c.hash).where(leaves.c.record_id == record_id)
        found = (await self._connection.execute(statement)).first()
        return None if found is None else (found[0], found[1])

    async def newest_id(self) -> str | None:
        """The highest id that was sealed."""
        newest = sa.select(leaves.c.record_id).order_by(leaves.c.record_id.desc()).limit(1)
        return cast("str | None", await self._connection.scalar(newest))

    async def unsealed(self, floor: str, limit: int) -> Sequence[tuple[str, Any]]:
        """Ids, from the floor on, and cores of records that are stored and not sealed yet, in the order of the ids."""
        found = await self._connection.execute(_UNSEALED.where(records.c.id >= floor).limit(limit))
        return [(row[0], row[1]) for row in found]

    async def grow(self, size: int, ids: Sequence[str], hashes: Sequence[bytes]) -> None:
        """Add leaves to the tree of that size, and commit. Raises `GaveWay`."""
        rows = [
            {"idx": index, "record_id": id_, "hash": leaf}
            for index, (id_, leaf) in enumerate(zip(ids, hashes, strict=True), size)
        ]
        await self._insert(leaves.insert(), rows)

    async def keep(self, note: str, signers: Sequence[Signer], peaks: CompactRange) -> None:
        """Add a checkpoint of the tree, and commit. Raises `GaveWay`."""
        now: Any = datetime.now(UTC)
        if self._connection.dialect.name == "sqlite":
            now = utc_text(now)
        ids = " ".join(sorted(signer.key_id.hex() for signer in signers))
        row = {"size": peaks.size, "signers": ids, "note": note, "peaks": peaks.to_bytes(), "time": now}
        await self._insert(checkpoints.insert(), [row])

    async def end(self) -> None:
        """Let go of what was read: the next look sees what others have committed."""
        await self._connection.rollback()

    async def _insert(self, statement: sa.Insert, rows: Sequence[dict[str, Any]]) -> None:
        await self.end()
        try:
            await self._connection.execute(statement, rows)
            await self._connection.commit()
        except IntegrityError:
            await self._connection.rollback()
            raise GaveWay from None
