"""The Merkle tree as the database holds it: leaves that are only added, and the checkpoints that were made of them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import AuditError
from asgi_audit.integrity.merkle import HASH_BYTES, CompactRange
from asgi_audit.integrity.note import Signer
from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy.gauge import Gauge
from asgi_audit.sqlalchemy.hardening import patient
from asgi_audit.sqlalchemy.schema import checkpoints, leaves, records

_PAGE: Final = 10_000  # leaves that are read at a time
_NOTE: Final = 2**17  # bytes
_CORE: Final = 2**20

_MINE: Final = leaves.c.record_id == records.c.id


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
        self._gauge = gauge = Gauge(connection.dialect.name)
        kept = checkpoints.c
        self._kept = sa.select(gauge.number(kept.size), gauge.text(kept.note, _NOTE), gauge.text(kept.peaks, _NOTE))
        self._leaves = sa.select(gauge.number(leaves.c.idx), gauge.text(leaves.c.hash, HASH_BYTES))
        # What has no id can't be given a place. The verifier names it.
        self._ids = sa.select(records.c.id).where(gauge.is_id(records.c.id)).order_by(records.c.id)

    async def newest(self) -> Kept | None:
        """The last checkpoint of the largest tree."""
        largest = self._kept.order_by(checkpoints.c.size.desc(), checkpoints.c.time.desc()).limit(1)
        return next((_kept(*row) for row in await self._ask(largest)), None)

    async def at(self, size: int) -> list[Kept]:
        """The checkpoints of the tree of that size."""
        return [_kept(*row) for row in await self._ask(self._kept.where(checkpoints.c.size == size))]

    async def hashes(self, first: int, last: int | None = None) -> AsyncIterator[bytes]:
        """The leaves from index `first` on, before `last`; raises `BrokenTree` where one is missing."""
        index = first
        while last is None or index < last:
            where = leaves.c.idx >= index if last is None else leaves.c.idx.between(index, last - 1)
            found = await self._ask(self._leaves.where(where).order_by(leaves.c.idx).limit(_PAGE))
            for at, leaf in found:
                if at != index:
                    raise BrokenTree(f"the leaf {index} is missing from the database")
                index += 1
                yield _hash(at, leaf)
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
        found = await self._ask(self._leaves.where(leaves.c.record_id == record_id).limit(1))
        if not found:
            return None
        index, leaf = found[0]
        if type(index) is not int or index < 0:
            raise BrokenTree(f"the leaf of the record {record_id} has no index")
        return index, _hash(index, leaf)

    async def newest_id(self) -> str | None:
        """The highest id that was sealed."""
        ids = sa.select(leaves.c.record_id).where(self._gauge.is_id(leaves.c.record_id))
        return next((row[0] for row in await self._ask(ids.order_by(leaves.c.record_id.desc()).limit(1))), None)

    async def unsealed(self, floor: str | None, limit: int) -> Sequence[tuple[str, Any]]:
        """Ids, from the floor on, and cores of records that are stored and not sealed yet, in the order of the ids.

        In the place of a core that is far too large for one there is None.
        """
        if floor is None:
            wanted = self._ids.where(~sa.exists().where(_MINE)).limit(limit)
        else:  # both sides have their bound: a planner does not see that the one follows from the other
            sealed = sa.exists().where(_MINE, leaves.c.record_id >= floor)
            wanted = self._ids.where(~sealed, records.c.id >= floor).limit(limit)
        core = self._gauge.text(records.c.core, _CORE)
        try:
            return [(row[0], row[1]) for row in await self._ask(wanted.add_columns(core))]
        except DataError:  # one of them is larger than SQLite may read, and it does not say which
            ids = [row[0] for row in await self._ask(wanted)]
            return [(id_, await self._core(sa.select(core).where(records.c.id == id_))) for id_ in ids]

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

    async def _core(self, statement: sa.Select[Any]) -> Any:
        try:
            return next((row[0] for row in await self._ask(statement)), None)
        except DataError:
            return None

    async def _ask(self, statement: sa.Executable) -> Sequence[Any]:
        async with patient(self._connection):
            return (await self._connection.execute(statement)).all()

    async def _insert(self, statement: sa.Insert, rows: Sequence[dict[str, Any]]) -> None:
        await self.end()
        try:
            async with patient(self._connection):
                await self._connection.execute(statement, rows)
                await self._connection.commit()
        except IntegrityError:
            await self._connection.rollback()
            raise GaveWay from None


def _kept(size: Any, note: Any, peaks: Any) -> Kept:
    """A row of `audit_checkpoints`, of the types that it should have."""
    if type(size) is not int or size < 0 or not isinstance(note, str) or not _is_utf8(note):
        raise BrokenTree("a checkpoint in the database is not even the row of one")
    return Kept(size, note, peaks if isinstance(peaks, bytes) else b"")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _hash(index: int, leaf: Any) -> bytes:
    if not isinstance(leaf, bytes) or len(leaf) != HASH_BYTES:
        raise BrokenTree(f"the leaf {index} in the database is no hash")
    return leaf
