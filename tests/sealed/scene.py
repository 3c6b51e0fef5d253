"""A copy of a sealed log, and what an attacker can do with it who has everything but the secrets."""

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import CompactRange, leaf_hash
from asgi_audit.integrity.note import Note, sign
from asgi_audit.integrity.report import Report
from asgi_audit.record import Record
from asgi_audit.signing import SigningKey
from tests.sealed.hand import Driver, Hand, SQLiteHand, Stored
from tests.sealed.log import Log
from tests.sealed.named import Named

ORIGIN = "audit.example/test"
_SEALED = "SELECT r.*, l.idx, l.hash FROM audit_leaves l JOIN audit_records r ON r.id = l.record_id ORDER BY l.idx"


class Scene:
    """`sizes` are those of the checkpoints that the anchor has kept; `backups` are copies of the database from before.

    `touched` are the leaves whose records were taken to be attacked.
    """

    def __init__(self, log: Log, driver: Driver, chance: random.Random, backups: dict[int, str]) -> None:
        self.log = log
        self.chance = chance
        self.sizes = sorted(backups)
        self.size = self.sizes[-1]
        self.touched: dict[int, Stored] = {}
        self._driver = driver
        self._backups = backups
        self._hand: Hand | None = None
        self._relaxed = False
        self._rows: list[Stored] | None = None

    @property
    def sqlite(self) -> bool:
        """Whether columns hold what they like."""
        return self._driver is SQLiteHand

    @property
    def hand(self) -> Hand:
        """The connection, as long as nobody else is at work."""
        if self._hand is None:
            self._hand = self._driver(self.log.url)
        return self._hand

    def leave(self) -> None:
        """Commit, and go."""
        if self._hand is not None:
            self._hand.close()
        self._hand = self._rows = None

    def restore(self, size: int) -> None:
        """Put the backup of that size in the database's place."""
        self.leave()
        spoilt, self.log.url = self.log.url, asyncio.run(self._driver.copy(self._backups[size], os.urandom(4).hex()))
        asyncio.run(self._driver.drop(spoilt))

    def write(self, *records: Record) -> None:
        """Store honest records, as their writer does."""
        self.leave()
        asyncio.run(self.log.write(records))

    def seal(self) -> None:
        """Seal what is stored, as the log's owner does."""
        self.leave()
        asyncio.run(self.log.seal())

    def verify(self, *known: str) -> Report:
        """The verdict of somebody who knows so much: of `anchor`, `keys` and `mac`."""
        self.leave()
        return asyncio.run(self.log.verify(anchored="anchor" in known, keyed="keys" in known, maced="mac" in known))

    def rows(self) -> list[Stored]:
        """The records that are sealed and stored, by their leaves, as they were when first asked for."""
        if self._rows is None:
            self._rows = self.hand.ask(_SEALED)
        return self._rows

    def relax(self) -> None:
        """Let any row hold anything from now on."""
        if not self._relaxed:
            self.hand.relax()
        self._relaxed = True

    def of_kind(self, kind: str) -> list[Stored]:
        """The trail's own records of a kind."""
        return [row for row in self.rows() if row["kind"] == kind]

    def take(self, wanted: Callable[[Stored], bool] = lambda row: True) -> Stored:
        """One of them by chance. It has not been taken before, nor has its neighbour, and that before it is there."""
        stored = {row["idx"] for row in self.rows()}
        around = {index + step for index in self.touched for step in (-1, 0, 1)}
        free = [row for row in self.rows() if row["idx"] not in around and row["idx"] - 1 in stored]
        row = self.chance.choice([row for row in free if wanted(row)])
        self.touched[row["idx"]] = row
        return row

    def checkpoint(self) -> Stored:
        """One of the database's by chance."""
        return self.chance.choice(self.hand.ask("SELECT * FROM audit_checkpoints ORDER BY size"))

    def set(self, id: str, /, **values: Any) -> None:
        """Change columns of a record."""
        changes = ", ".join(f"{name} = ?" for name in values)
        self.hand.run(f"UPDATE audit_records SET {changes} WHERE id = ?", *values.values(), id)

    def set_leaf(self, index: int, **values: Any) -> None:
        """Change columns of a leaf."""
        changes = ", ".join(f"{name} = ?" for name in values)
        self.hand.run(f"UPDATE audit_leaves SET {changes} WHERE idx = ?", *values.values(), index)

    def insert(self, row: Stored) -> None:
        """Store a record; what its leaf says is passed over."""
        row = {name: value for name, value in row.items() if name not in {"idx", "hash"}}
        self.add("audit_records", row)

    def insert_leaf(self, index: int, row: Stored) -> None:
        """Add the leaf of a record."""
        leaf = {"idx": index, "record_id": row["id"], "hash": leaf_hash(row["core"].encode())}
        self.add("audit_leaves", leaf)

    def delete(self, first: int, last: int | None = None) -> None:
        """Delete the records of a stretch of leaves."""
        last = first if last is None else last
        within = "SELECT record_id FROM audit_leaves WHERE idx BETWEEN ? AND ?"
        self.hand.run(f"DELETE FROM audit_records WHERE id IN ({within})", first, last)

    def cut(self, first: int, last: int) -> None:
        """Delete a stretch of leaves, and close the gap."""
        self.hand.run("DELETE FROM audit_leaves WHERE idx BETWEEN ? AND ?", first, last)
        self.shift(last + 1, first - last - 1)

    def shift(self, first: int, by: int) -> None:
        """Give the leaves from there on other indexes; by way of negative ones, which nobody has."""
        self.hand.run("UPDATE audit_leaves SET idx = -1 - idx WHERE idx >= ?", first)
        self.hand.run("UPDATE audit_leaves SET idx = ? - idx WHERE idx < 0", by - 1)

    def rebuild(self, style: str | None = None, origin: str = ORIGIN) -> None:
        """Make anew whatever needs no key, and of the checkpoints what the style says; by chance, if it says nothing.

        `stale` leaves them as they are, `unsigned` has nobody sign, `own` somebody else with a key of that name,
        `pasted` shows the signatures that were there; and for `stolen` he has the sealer's key after all.
        """
        style = style or self.chance.choice(["stale", "unsigned", "own", "pasted"])
        kept = {row["size"]: row for row in self.hand.ask("SELECT size, signers, note, time FROM audit_checkpoints")}
        leaves = self.hand.ask("SELECT hash FROM audit_leaves ORDER BY idx")
        if style == "stale":
            return
        self.hand.run("DELETE FROM audit_checkpoints WHERE size > ?", len(leaves))
        if len(leaves) not in kept:
            kept[len(leaves)] = kept[max(kept)] | {"size": len(leaves)}
            self.add("audit_checkpoints", kept[len(leaves)] | {"peaks": b""})
        key = self.log.keys[0] if style == "stolen" else SigningKey.generate(origin)
        tree = CompactRange()
        for leaf in leaves:
            tree.append(leaf["hash"])
            if tree.size in kept:
                self._keep(Checkpoint(origin, tree.size, tree.root()), kept[tree.size]["note"], style, key)
                self.hand.run("UPDATE audit_checkpoints SET peaks = ? WHERE size = ?", tree.to_bytes(), tree.size)

    def contradiction(self, first: int) -> list[Named]:
        """What an anchor says to a tree that is another from that leaf on."""
        return [Named("anchor", index=min(size for size in self.sizes if size > first))]

    def _keep(self, checkpoint: Checkpoint, before: str, style: str, key: SigningKey) -> None:
        if before.startswith(checkpoint.text):  # it is true, and well signed
            return
        note = sign(checkpoint.text, [key] if style in {"own", "stolen"} else [])
        if style == "pasted":
            note = str(Note(checkpoint.text, Note.parse(before).signatures))
        change = "UPDATE audit_checkpoints SET note = ?, signers = ? WHERE size = ?"
        self.hand.run(change, note, signers(note), checkpoint.size)

    def add(self, table: str, row: Stored) -> None:
        """Insert a row."""
        marks = ", ".join("?" * len(row))
        self.hand.run(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", *row.values())


def signers(note: str) -> str:
    """Who has signed, as a checkpoint's row says it."""
    return " ".join(sorted(each.key_id.hex() for each in Note.parse(note).signatures))
