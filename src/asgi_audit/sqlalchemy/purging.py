"""Retention: old rows go, their leaves stay, so that every checkpoint that was ever made can still be verified."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asgi_audit.anchors import AnyAnchor, as_anchor
from asgi_audit.errors import AuditError, ConfigurationError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.note import BadSignature, MalformedNote, Note, Verifier, verified
from asgi_audit.integrity.report import Progress, unseen
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy.alteration import Inspection
from asgi_audit.sqlalchemy.clerk import Clerk
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.door import Door
from asgi_audit.sqlalchemy.origin import Origin
from asgi_audit.sqlalchemy.reading import as_row
from asgi_audit.sqlalchemy.schema import leaves, records
from asgi_audit.sqlalchemy.tree import Tree
from asgi_audit.sqlalchemy.visit import visiting
from asgi_audit.sqlalchemy.warrant import KEPT_KINDS
from asgi_audit.store import Query

_BATCH: Final = 1000  # rows that go in one transaction, and one record of a purge names


class NotAnchored(AuditError):  # noqa: N818 - named as what it is
    """No anchor vouches for the tree of this database: purging would destroy what nothing else can prove."""


class Plan(NamedTuple):
    """What a purge would delete, and what is old enough and stays: it is not sealed, or not anchored, yet."""

    records: int
    unsealed: int
    unanchored: int


class Purger:
    """Deletes rows that were made before a time, and are sealed and anchored; never those that a verifier needs.

    With keys, an anchor's word counts only if one of them has signed it. With a secret for MACs every row must have
    one, but for those sealed before index `mac_from`, and the record of the purge gets one.
    """

    def __init__(
        self,
        url_or_engine: str | URL | AsyncEngine,
        *,
        anchors: Iterable[AnyAnchor],
        keys: Sequence[Verifier] = (),
        mac: MacKey | None = None,
        mac_from: int = 0,
    ) -> None:
        self._database = Database(url_or_engine)
        self._anchors = tuple(as_anchor(each) for each in anchors)
        self._keys = tuple(keys)
        self._mac = mac
        self._mac_from = mac_from
        self.name = self._database.name
        if not self._anchors:
            raise ConfigurationError("anchors", (), "name where the checkpoints are kept: only what is there is purged")

    async def plan(self, before: datetime | str) -> Plan:
        """What would be done."""
        async with visiting(self._database) as connection:
            return await _plan(connection, before, await self._anchored(connection))

    async def purge(self, before: datetime | str, *, reason: str, progress: Progress = unseen) -> int:
        """Delete, a thousand rows in each transaction, with the record that lists their indexes; how many there were.

        Raises `NotAnchored`, and `EvidenceAltered` at a row that is not what was sealed.
        """
        if not reason.strip():
            raise ConfigurationError("reason", reason, "say why: it stays in the trail for ever")
        done, last = 0, -1
        async with visiting(self._database) as connection:
            anchored = await self._anchored(connection)
            total = (await _plan(connection, before, anchored)).records
            door, clerk = await Door.of(connection), Clerk(connection, self._mac)
            inspection = Inspection(self._mac, self._mac_from)
            joined = records.join(leaves, leaves.c.record_id == records.c.id)
            batch = sa.select(leaves.c.idx, leaves.c.hash, *records.c).select_from(joined).order_by(leaves.c.idx)
            while True:
                wanted = batch.where(*_old(before), leaves.c.idx.between(last + 1, anchored - 1)).limit(_BATCH)
                found = [_Doomed(row[0], row[1], as_row(row[2:])) for row in await connection.execute(wanted)]
                await connection.rollback()
                if not found:
                    return done
                for each in found:
                    inspection.inspect(each.row, each.place, each.hash)
                said = {"before": str(before), "records": len(found), "ranges": _ranges(found), "writers": _runs(found)}
                done += await door.purge(clerk.entry(Kind.PURGE, reason, said), [each.row["id"] for each in found])
                await clerk.commit()
                last = found[-1].place
                progress(done, max(done, total))

    async def _anchored(self, connection: AsyncConnection) -> int:
        """How many records the anchors vouch for, of which the database still has the tree."""
        tree = Tree(connection)
        kept = await tree.newest()
        if kept is None:
            raise NotAnchored("nothing is sealed yet: `asgi-audit seal` does it")
        log = Origin.parse(kept.note.partition("\n")[0]).log
        vouched = 0
        for anchor in self._anchors:
            await tree.end()
            checkpoint = self._trusted(await anchor.newest(log))
            if checkpoint is not None and await self._has(tree, checkpoint):
                vouched = max(vouched, checkpoint.size)
        await tree.end()
        if not vouched:
            signed = ", signed by a given key" if self._keys else ""
            said = f"the newest checkpoint of no anchor is one of this database's tree{signed}"
            raise NotAnchored(f"{said}: `asgi-audit verify` tells more")
        return vouched

    def _trusted(self, note: str | None) -> Checkpoint | None:
        if note is None:
            return None
        try:
            parsed = Note.parse(note)
            checkpoint = Checkpoint.parse(parsed.text)
            return checkpoint if not self._keys or verified(parsed, self._keys) else None
        except (MalformedNote, BadSignature):
            return None

    async def _has(self, tree: Tree, checkpoint: Checkpoint) -> bool:
        newest = await tree.newest()
        return (
            newest is not None
            and checkpoint.size <= newest.size
            and (await tree.root_of(0, checkpoint.size) == checkpoint.root)
        )


async def _plan(connection: AsyncConnection, before: datetime | str, anchored: int) -> Plan:
    joined = records.outerjoin(leaves, leaves.c.record_id == records.c.id)
    counts = (
        sa.func.count(sa.case((leaves.c.idx < anchored, 1))),
        sa.func.count(sa.case((leaves.c.idx.is_(None), 1))),
        sa.func.count(sa.case((leaves.c.idx >= anchored, 1))),
    )
    counting = sa.select(*counts).select_from(joined).where(*_old(before))
    return Plan(*(await connection.execute(counting)).one())


class _Doomed(NamedTuple):
    place: int
    hash: bytes
    row: dict[str, Any]


def _old(before: datetime | str) -> list[sa.ColumnElement[bool]]:
    bound = Query(until=before).ids[1]
    return [records.c.id < bound, records.c.kind.not_in(KEPT_KINDS)]


def _ranges(doomed: Sequence[_Doomed]) -> list[list[Any]]:
    """Stretches of leaves, first to last, and the SHA-256 of their records' ids, one a line."""
    stretches: list[list[_Doomed]] = []
    for each in doomed:
        if stretches and stretches[-1][-1].place + 1 == each.place:
            stretches[-1].append(each)
        else:
            stretches.append([each])
    return [
        [run[0].place, run[-1].place, sha256("".join(f"{each.row['id']}\n" for each in run).encode()).hexdigest()]
        for run in stretches
    ]


def _runs(doomed: Sequence[_Doomed]) -> dict[str, list[list[int]]]:
    """Of each writer, the stretches of `seq`."""
    runs: dict[str, list[list[int]]] = {}
    for writer, seq in sorted((each.row["writer"], each.row["seq"]) for each in doomed):
        mine = runs.setdefault(writer, [])
        if mine and mine[-1][1] + 1 == seq:
            mine[-1][1] = seq
        else:
            mine.append([seq, seq])
    return runs
