"""What is done to a log by those who run it honestly, and to the ledger of what it must hold."""

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from asgi_audit.delivery.sealing import Sealed
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.integrity.note import Note
from asgi_audit.integrity.projection import utc_text
from asgi_audit.integrity.report import Report
from asgi_audit.record import Kind, Record
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import AuditStore, DatabaseEvidence, Sealer
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import as_bytes
from asgi_audit.sqlalchemy.lookback import Lookback
from asgi_audit.sqlalchemy.purging import NotAnchored
from asgi_audit.sqlalchemy.schema import checkpoints, leaves
from asgi_audit.sqlalchemy.tree import Tree
from asgi_audit.sqlalchemy.visit import visiting
from asgi_audit.store import first_id
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.anchor import FailingAnchor
from tests.sealed.ledger import OWN, Ledger
from tests.sealed.log import Log

_NAME = "audit.example/honest"


class Backup(NamedTuple):
    """A copy of the database's file, and what it holds."""

    path: Path
    ledger: Ledger
    restarts: int  # until then


class Operations(Log):
    """A log that is sealed by two sealers, and by new ones, with keys that change."""

    def __init__(self, url: str, home: Path, *, mac: bytes | None, signed: bool) -> None:
        super().__init__(url, home, mac=mac, key=SigningKey.generate(_NAME))
        self.keeper = FailingAnchor(self.anchor)
        self.ledger = Ledger(Database(url).name)
        self.backups: list[Backup] = []
        self.changed = True  # since the last check
        self.passes = 0  # in which something was sealed
        self._restarts = 0
        self._home = home
        self._everybody = list(self.pinned)  # whose keys have ever signed, or are about to
        if not signed:
            self.keys, self.pinned, self._everybody = [], [], []
        self._standing = [self.sealer(), self.sealer()]

    @property
    def unfinished(self) -> bool:
        """Whether there is anything to seal, sign or publish."""
        ledger, taken = self.ledger, [each.size for each in self.keeper.taken]
        return bool(ledger.unsealed) or not taken or not taken[-1] == ledger.signed == len(ledger.leaves)

    def sealer(self) -> Sealer:
        """A new one."""
        return Sealer(self.url, keys=self.keys, anchors=[self.keeper], mac=self.mac)

    async def write(self, records: Sequence[Record]) -> None:
        """As a sink does; of what is there already, nothing changes."""
        await super().write(records)
        self.ledger.store(records)
        self.changed = True

    async def seal_by(self, which: int) -> None:
        """One of the two sealers has its turn, or, beyond them, a new one, which leaves nothing unsealed."""
        unsealed, sealed = len(self.ledger.unsealed), len(self.ledger.leaves)
        fresh = which >= len(self._standing)
        done = await (self.sealer() if fresh else self._standing[which]).seal()
        await self._sealed(done)
        assert not done.gave_way
        assert done.records == len(self.ledger.leaves) - sealed == unsealed - len(self.ledger.unsealed)
        assert not fresh or not self.ledger.unsealed

    async def grow(self, count: int) -> None:
        """A sealer dies when it has committed leaves, and not signed them."""
        async with visiting(Database(self.url)) as connection:
            tree = Tree(connection)
            found = await tree.unsealed(first_id(0), count)
            if found:
                hashes = [leaf_hash(as_bytes(core)) for _, core in found]
                await tree.grow(len(self.ledger.leaves), [id_ for id_, _ in found], hashes)
        await self._read_leaves()

    def rotate(self) -> None:
        """From now on there is a new key to sign with as well, or no old one any more."""
        if len(self.keys) == 2:
            del self.keys[0]
        else:
            new = SigningKey.generate(f"{_NAME}-{len(self._everybody)}")
            self.keys.append(new)
            self._everybody.append(new.verifier)
            self.pinned = self._everybody if self.pinned else []
        self._standing = [self.sealer(), self.sealer()]

    async def erase_parts(self, ids: Sequence[str], parts: Sequence[str]) -> None:
        """Erase parts of records, which may have lost them before."""
        assert await self.erase(ids, *parts) == self.ledger.erase(ids, parts)
        await self._read_own()

    async def purge_before(self, before: datetime) -> None:
        """Purge what the anchor vouches for, if it knows this tree."""
        newest = self.keeper.taken[-1] if self.keeper.taken else None
        if newest is None or not self.ledger.continues(newest):
            with pytest.raises(NotAnchored):
                await self.purge(before)
        else:
            assert await self.purge(before) == self.ledger.purge(before, newest.size)
        await self._read_own()

    def back_up(self) -> None:
        """Copy the file: nobody has it open now."""
        path = self._home / f"backup-{self.passes}.db"
        shutil.copy(self._file, path)
        self.backups.append(Backup(path, self.ledger.copy(), self._restarts))

    async def restore(self, which: int) -> None:
        """An older copy takes the database's place, and the log begins anew; newer copies are of no use any more.

        Nor are those since which it has now begun anew twice: they know nothing of what was in between.
        """
        backup = self.backups[which]
        self._restarts += 1
        self.backups = [each for each in self.backups[: which + 1] if each.restarts + 1 >= self._restarts]
        for end in ("-wal", "-shm"):
            Path(f"{self._file}{end}").unlink(missing_ok=True)
        shutil.copy(backup.path, self._file)
        self.ledger = backup.ledger.copy()
        known, size = self.keeper.taken[-1].size if self.keeper.taken else 0, len(self.ledger.leaves)
        done = await self.sealer().restart("restored from a backup")
        await self._read_own()
        await self._sealed(done)
        restarts = [(each["restart"]["size"], each["records"]) for each in self._losses() if "restart" in each]
        assert (size, max(0, known - size)) in restarts

    async def age(self, by: timedelta) -> None:
        """Time passes: what was signed was signed so much longer ago, and sealers look at everything again."""
        async with visiting(Database(self.url)) as connection:
            for size, signers, time in await connection.execute(
                sa.select(checkpoints.c.size, checkpoints.c.signers, checkpoints.c.time)
            ):
                before: Any = (datetime.fromisoformat(time) if isinstance(time, str) else time) - by
                where = (checkpoints.c.size == size) & (checkpoints.c.signers == signers)
                then = utc_text(before) if isinstance(time, str) else before
                await connection.execute(checkpoints.update().where(where).values(time=then))
            await connection.commit()
        for sealer in self._standing:
            sealer._lookback = Lookback()
        self.changed = True

    async def check(self, *, bundled: bool) -> Report:
        """A verifier has nothing to say but what the ledger says; with a bundle he says the same."""
        self.changed = False
        report = await self.verify()
        self.ledger.agree(report, self.keeper.taken, keyed=bool(self.pinned))
        if bundled:
            path = self._home / "bundle"
            async with DatabaseEvidence(self.url) as evidence:
                with path.open("wb") as file:
                    assert await write_bundle(evidence, file) == report.sealed
            verifier = Verifier(keys=self.pinned, anchors=[self.keeper], mac=self.mac)
            assert await verifier.verify(Bundle(path)) == report
        return report

    async def check_by_others(self) -> None:
        """Who lacks the keys, the anchor or the secret has nothing to say either.

        Without the keys there must be an anchor that vouches for each new beginning.
        """
        begun = {each["restart"]["to"] for each in self._losses() if "restart" in each}
        if begun <= {each.origin for each in self.keeper.taken if self.ledger.continues(each)}:
            self.ledger.agree(await self.verify(keyed=False), self.keeper.taken, keyed=False)
        self.ledger.agree(await self.verify(anchored=False), [], keyed=bool(self.pinned))
        self.ledger.agree(await self.verify(maced=False), self.keeper.taken, keyed=bool(self.pinned))

    @property
    def _file(self) -> Path:
        path = Database(self.url).path
        assert path is not None
        return path

    def _losses(self) -> list[dict[str, Any]]:
        """What the loss records say."""
        return [each.data or {} for each in self.ledger.rows.values() if each.kind is Kind.LOSS]

    async def _sealed(self, done: Sealed) -> None:
        """A pass is over."""
        self.ledger.signed = done.size
        self.passes += done.records > 0
        if done.note is not None and Note.parse(done.note).signatures:
            self.pinned = self._everybody
        await self._read_leaves()
        for each in self.keeper.taken:
            each.ids = each.ids or self.ledger.leaves[: each.size]

    async def _read_leaves(self) -> None:
        async with visiting(Database(self.url)) as connection:
            ids = await connection.scalars(sa.select(leaves.c.record_id).order_by(leaves.c.idx))
            known, self.ledger.leaves = self.ledger.leaves, list(ids)
        assert self.ledger.leaves[: len(known)] == known
        self.changed = True

    async def _read_own(self) -> None:
        """What was written down by the operators' programs."""
        store = AuditStore(self.url)
        for kind in OWN:
            self.ledger.store([each async for each in store.query(kind=kind)])
        self.changed = True
