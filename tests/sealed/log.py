"""A sealed log as it comes to be: writers that live and die, losses, erasures, purges, and anchors outside."""

import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asgi_audit.anchors import FileAnchor
from asgi_audit.ids import IdSource
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.report import Report
from asgi_audit.record import VERSION, Actor, Kind, Outcome, Record, Request, Response, Source, Target
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import Sealer, SQLAlchemySink
from asgi_audit.sqlalchemy.erasing import Eraser
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.sqlalchemy.purging import Purger
from asgi_audit.store import first_id
from asgi_audit.verification import Verifier

#: The first record's time: long ago, so that whatever is missing counts.
BEGINNING = datetime.now(UTC).replace(microsecond=0) - timedelta(days=30)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_salts = IdSource()


def id_at(time: datetime, chance: random.Random) -> str:
    """An id that was made then."""
    begin = first_id((time - _EPOCH) // timedelta(microseconds=1))
    return f"{begin[:20]}{chance.getrandbits(12):03x}-{chance.getrandbits(48):012x}"


class Writer:
    """One process: numbers its records, and may say what it has lost, or that it ends."""

    def __init__(self, chance: random.Random) -> None:
        self.id = f"{chance.getrandbits(128):032x}"
        self.seq = 0
        self._chance = chance

    def record(self, time: datetime, **fields: Any) -> Record:
        """Its next record, made at that time."""
        user = f"user-{self._chance.randrange(20)}"
        facts: dict[str, Any] = {
            "v": VERSION,
            "id": id_at(time, self._chance),
            "kind": Kind.HTTP,
            "time": time,
            "action": "POST /users/{id}",
            "writer": self.id,
            "seq": self.seq,
            "duration_us": self._chance.randrange(10_000),
            "outcome": Outcome.SUCCESS,
            "actor": Actor(user, type="user", name=f"Name of {user}", source="framework"),
            "targets": [Target(f"t{self._chance.randrange(50)}", type="invoice")],
            "source": Source(ip="192.0.2.1", ip_source="peer", port=4711, user_agent="test"),
            "request": Request(
                path=f"/users/{user}",
                method="POST",
                route="/users/{id}",
                params={"id": user},
                id="r",
                trace_id="ab" * 16,
            ),
            "response": Response(status=200, size=17),
            "tenant": "acme",
            "service": "billing",
            "salts": _salts.new_salts(),
        }
        self.seq += 1
        return Record(**facts | fields)

    def own(self, kind: Kind, time: datetime, data: dict[str, Any]) -> Record:
        """A record of the trail's own doings."""
        bare = dict.fromkeys(["actor", "targets", "source", "request", "response", "tenant", "outcome", "duration_us"])
        return self.record(time, kind=kind, action=f"trail.{kind}", data=data, **bare)

    def skip(self, count: int) -> None:
        """Records that were numbered, and never came to the sink."""
        self.seq += count


class Log:
    """A database, the keys of its sealer, and an anchor file; everything is done by the real parts."""

    def __init__(self, url: str, home: Path, *, mac: bytes | None = None, key: SigningKey | None = None) -> None:
        self.url = url
        self.anchor = home / f"anchor-{os.urandom(4).hex()}.jsonl"
        self.keys = [key or SigningKey.generate("audit.example/test")]
        self.pinned = [self.keys[0].verifier]
        self.mac = None if mac is None else MacKey(mac)

    async def write(self, records: Sequence[Record]) -> None:
        """Store a batch, as a sink does."""
        sink = SQLAlchemySink(self.url, mac=self.mac)
        await sink.open()
        try:
            await sink.write(records)
        finally:
            await sink.close()

    def sealer(self) -> Sealer:
        """A sealer, with the keys that there are now."""
        return Sealer(self.url, keys=self.keys, anchors=[self.anchor], mac=self.mac)

    async def seal(self) -> int:
        """Seal what is stored; how much that was."""
        return (await self.sealer().seal()).records

    async def erase(self, ids: Sequence[str], *parts: str) -> int:
        """Erase parts of records."""
        return (
            await Eraser(self.url, parts=parts or ("actor",), mac=self.mac).erase(ids=ids, reason="asked to")
        ).records

    async def purge(self, before: datetime) -> int:
        """Purge what is older."""
        return await Purger(self.url, anchors=[self.anchor], mac=self.mac).purge(before, reason="retention")

    async def verify(self, *, anchored: bool = True, keyed: bool = True, maced: bool = True) -> Report:
        """What a verifier says who has the anchor, the public keys, the secret, or lacks one of them."""
        verifier = Verifier(
            keys=self.pinned if keyed else (),
            anchors=[FileAnchor(self.anchor)] if anchored else (),
            mac=self.mac if maced else None,
        )
        return await verifier.verify(DatabaseEvidence(self.url))


async def build(log: Log, chance: random.Random, count: int = 2000) -> list[Record]:
    """Fill a log with about so many records: five writers, of which one crashes, one loses, one ends in good order.

    It is sealed in several passes, with erasures and a purge of the oldest tenth in between; what was written is
    returned. The verdict of the whole is a declared loss.
    """
    writers = [Writer(chance) for _ in range(5)]
    written: list[Record] = []
    time = BEGINNING
    pieces = 5
    for piece in range(pieces):
        batch: list[Record] = []
        for _ in range(count // pieces):
            time += timedelta(seconds=1)
            batch.append(chance.choice(writers).record(time))
        if piece == 1:  # a lane was too far behind
            loser = writers[1]
            loser.skip(7)
            said = {"records": 7, "reason": "the sink was too far behind", "sink": f"{log.url.partition(':')[0]}://x"}
            batch += [loser.record(time), loser.own(Kind.LOSS, time, said)]
        if piece == 2:  # one dies, and its heir says what was damaged in its journal, and where it ended
            dead, heir = writers.pop(0), Writer(chance)
            dead.skip(3)
            last = dead.record(time)
            said = {"records": 3, "entries": 3, "reason": "damaged in the journal", "writer": dead.id}
            ended = {"records": dead.seq, "interrupted": 0, "torn": 0, "found": "recovery", "writer": dead.id}
            batch += [last, heir.own(Kind.LOSS, time, said), heir.own(Kind.CLOSE, time, ended)]
        if piece == 3:
            batch.append(writers[-1].own(Kind.CLOSE, time, {"records": writers[-1].seq}))
        await log.write(batch)
        await log.seal()
        written += batch
        if piece in {1, 3}:
            mine = [each.id for each in batch if each.kind is Kind.HTTP]
            await log.erase(chance.sample(mine, 15), *chance.choice([("actor",), ("actor", "detail"), ("target",)]))
    await log.purge(BEGINNING + timedelta(seconds=count // 10))
    await log.seal()
    return written
