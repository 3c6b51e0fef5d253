"""The sealer: gives stored records their place in the Merkle tree, and signs what the tree has become.

Rule 1: leaves are committed first, and signed after it. Who is killed in between has promised nothing, and the next
        pass signs what is there.
Rule 2: an index is given once. Two sealers meet at the primary key, and one of them gives way.
Rule 3: nothing is signed that contradicts what was signed, here or in an anchor. Anchors are asked before the database,
        which therefore must know all that they know.
"""

import asyncio
import os
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from asgi_audit.anchors import AnyAnchor, as_anchor
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.integrity.note import Signer, sign
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy.clerk import Clerk
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import as_bytes
from asgi_audit.sqlalchemy.head import Head, HeadReader, SealRefused
from asgi_audit.sqlalchemy.inquiry import Inquiry
from asgi_audit.sqlalchemy.intermission import Intermission
from asgi_audit.sqlalchemy.lookback import Lookback
from asgi_audit.sqlalchemy.origin import Origin
from asgi_audit.sqlalchemy.tree import GaveWay, Tree
from asgi_audit.sqlalchemy.visit import visiting

#: So many records more, at most, and there is another checkpoint.
_CHUNK: Final = 1000


class Sealer:
    """Seals one database, a pass at a time, each over a connection of its own.

    Without keys the checkpoints are not signed; with several, each signs. `mac` is the secret of the records' MACs, for
    the one record that a restart writes. Not thread-safe.
    """

    def __init__(
        self,
        url_or_engine: str | URL | AsyncEngine | Database,
        *,
        keys: Sequence[Signer] = (),
        anchors: Iterable[AnyAnchor] = (),
        mac: MacKey | None = None,
    ) -> None:
        self._database = url_or_engine if isinstance(url_or_engine, Database) else Database(url_or_engine)
        self._keys = tuple(keys)
        self._anchors = tuple(as_anchor(each) for each in anchors)
        self._mac = mac
        self._heads = HeadReader(self._keys)
        self._lookback = Lookback()
        self._work = nullcontext() if self._database.path is None else Intermission(self._nothing_open)
        self.name = self._database.name

    async def seal(self) -> Sealed:
        """One pass: seal what is stored, sign, and tell the anchors.

        Raises `SealRefused`, `BrokenTree`, and whatever the database raises. What an anchor can't do is only told: the
        next pass tries again.
        """
        return await self._run(None)

    async def restart(self, reason: str) -> Sealed:
        """Go on under a new origin where the anchors know more than the database, as after a backup was restored.

        What they knew and the database does not is declared lost, with the reason, for ever; so each of them must
        answer.
        """
        self._heads.forget()
        return await self._run(reason)

    async def _run(self, restart: str | None) -> Sealed:
        # Anchors may take their time. Meanwhile no connection is open, and no fork has to wait.
        logs = await self._logs()
        inquiries = [Inquiry(anchor) for anchor in self._anchors]
        await asyncio.gather(*(inquiry.ask(logs) for inquiry in inquiries))
        async with self._work, visiting(self._database) as connection:
            sealed = await self._pass(Tree(connection), Clerk(connection, self._mac), inquiries, restart)
        if not sealed.gave_way:  # else it is for the other to tell them
            await asyncio.gather(*(inquiry.tell(sealed.note) for inquiry in inquiries))
        return sealed._replace(troubles=[inquiry.trouble for inquiry in inquiries if inquiry.trouble])

    async def _logs(self) -> list[str]:
        """The names under which anchors may know this log."""
        if self._heads.log is not None:
            return [self._heads.log]
        async with self._work, visiting(self._database) as connection:
            kept = await Tree(connection).newest()
        names = [key.name for key in self._keys]
        if kept is None:
            return names
        checkpoint, signers = self._heads.parse(kept)
        log = Origin.parse(checkpoint.origin).log
        return [log] if signers else [log, *names]  # whoever can write to the database could give the log another name

    async def _pass(self, tree: Tree, clerk: Clerk, inquiries: Sequence[Inquiry], restart: str | None) -> Sealed:
        head = await self._heads.read(tree, await tree.newest())
        if restart is None:
            for inquiry in inquiries:
                await self._heads.agree(tree, head, inquiry)
            self._heads.remember(head)
        else:
            head = await self._restarted(tree, clerk, head, inquiries, restart)
        before = head.peaks.size
        head, gave_way = await self._grow(tree, head)
        return Sealed(head.peaks.size - before, head.signed, head.note, gave_way, [])

    async def _restarted(self, tree: Tree, clerk: Clerk, head: Head, inquiries: Sequence[Inquiry], reason: str) -> Head:
        for inquiry in inquiries:
            if inquiry.trouble is not None:
                raise SealRefused(f"{inquiry.trouble}; without it nobody knows what is lost")
        known = [inquiry.checkpoint for inquiry in inquiries if inquiry.checkpoint is not None]
        before = head.origin or next((each.origin for each in known), self._new_origin())
        origins = sorted({before, *(each.origin for each in known)})
        latest = Origin(Origin.parse(before).log, max(Origin.parse(each).restarts for each in origins))
        size = head.peaks.size
        lost = max([0, *(each.size - size for each in known)])
        said: dict[str, Any] = {"from": origins, "to": latest.anew(), "size": size}
        data = {"records": lost, "reason": "the log was restarted", "restart": said}
        await tree.end()
        await clerk.insert(clerk.entry(Kind.LOSS, reason, data))
        return head._replace(origin=said["to"])

    async def _grow(self, tree: Tree, head: Head) -> tuple[Head, bool]:
        """Seal and sign what there is; the new head, and whether another sealer was faster."""
        origin = head.origin or self._new_origin()
        floor = self._lookback.floor(await tree.newest_id())
        while True:
            found = await tree.unsealed(floor, _CHUNK)
            try:
                if found:
                    hashes = [leaf_hash(as_bytes(core)) for _, core in found]
                    await tree.grow(head.peaks.size, [id_ for id_, _ in found], hashes)
                    for leaf in hashes:
                        head.peaks.append(leaf)
                if head.peaks.size > head.signed or head.missing:
                    note = sign(Checkpoint(origin, head.peaks.size, head.peaks.root()).text, self._keys)
                    await tree.keep(note, self._keys, head.peaks)
                    head = Head(origin, note, head.peaks, head.peaks.size, ours=bool(self._keys), missing=False)
                    self._heads.remember(head)
            except GaveWay:
                return head, True
            if len(found) < _CHUNK:
                self._lookback.done()
                return head, False
            floor = found[-1][0]

    def _new_origin(self) -> str:
        return self._keys[0].name if self._keys else f"asgi-audit/{os.urandom(4).hex()}"

    async def _nothing_open(self) -> None:
        """A pass closes its own connections."""
