"""A small log, of which every bit that is evidence is flipped, one at a time.

Evidence is all that is stored but the `time` of checkpoints, which nobody signs: it only tells how long a gap has been
open. Of the schema's version and of the order in which rows are kept nothing depends.
"""

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.sqlalchemy.migrations import upgrade_database
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.held import Held, Place
from tests.sealed.log import BEGINNING, Log, Writer

SECRET: Final = bytes(range(32))
TABLES: Final = ("audit_records", "audit_leaves", "audit_checkpoints")


class Memory:
    """An anchor that has been read."""

    name = "memory"

    def __init__(self, anchor: FileAnchor) -> None:
        self._checkpoints = list(anchor.read())

    async def publish(self, checkpoint: str) -> None:
        self._checkpoints.append(checkpoint)

    async def newest(self, log: str) -> str | None:
        return self._checkpoints[-1]

    def read(self) -> Iterator[str]:
        return iter(self._checkpoints)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Five records of one writer, one of which was erased, and the record that says so; the last is not sealed yet."""
    log = Log(f"sqlite:///{tmp_path}/audit.db", tmp_path, mac=SECRET)
    asyncio.run(_fill(log))
    return log


async def _fill(log: Log) -> None:
    await upgrade_database(log.url)
    writer = Writer(random.Random(7))
    records = [writer.record(BEGINNING + timedelta(seconds=second)) for second in range(5)]
    await log.write(records[:3])
    await log.seal()
    await log.write(records[3:4])
    await log.erase([records[1].id], "actor")
    await log.seal()
    await log.write(records[4:])


@pytest.fixture
def verifier(log: Log) -> Verifier:
    """Who knows all that one can know."""
    return Verifier(keys=log.pinned, anchors=[Memory(FileAnchor(log.anchor))], mac=log.mac)


@pytest.mark.timeout(3600)
def test_every_bit_is_evidence(log: Log, verifier: Verifier, full: bool) -> None:
    """Whichever bit of whichever value is flipped, the log is found to have been tampered with."""

    async def missed() -> list[tuple[Place, int]]:
        held = await Held.of(DatabaseEvidence(log.url))
        assert (await verifier.verify(held)).verdict is Verdict.PASS
        found = []
        for place in held.places():
            if place.keys != ("time",):
                value = _stored(held.at(place))
                for bit in _bits(value, full):
                    report = await verifier.verify(held.but(place, _read(held.at(place), _flipped(value, bit))))
                    if report.verdict is not Verdict.TAMPERED:
                        found.append((place, bit))
        return found

    assert asyncio.run(missed()) == []


def test_every_value_of_a_bundle(log: Log, verifier: Verifier, tmp_path: Path) -> None:
    """It comes to the same when the log was carried away: here, a bit of every value."""
    file = tmp_path / "bundle"
    chance = random.Random()

    async def missed() -> list[tuple[Place, int]]:
        held = await Held.of(DatabaseEvidence(log.url))
        found = []
        for place in held.places():
            if place.keys != ("time",):
                value = _stored(held.at(place))
                bit = chance.randrange(_length(value))
                with file.open("wb") as target:
                    await write_bundle(held.but(place, _read(held.at(place), _flipped(value, bit))), target)
                if (await verifier.verify(Bundle(file))).verdict is not Verdict.TAMPERED:
                    found.append((place, bit))
        return found

    assert asyncio.run(missed()) == []


@pytest.mark.timeout(3600)
def test_every_value_in_the_tables(log: Log, verifier: Verifier, full: bool) -> None:
    """It comes to the same in the tables themselves: here, a bit of every value, unless its key forbids it."""
    chance = random.Random()

    async def missed(database: sqlite3.Connection) -> list[tuple[str, str, int, int]]:
        found = []
        for table, column, row in _values(database):
            (value,) = database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
            for bit in chance.sample(range(_length(value)), 8 if full else 1):
                try:
                    where = _put(database, table, column, row, _flipped(value, bit))
                except sqlite3.IntegrityError:
                    continue
                if (await verifier.verify(DatabaseEvidence(log.url))).verdict is not Verdict.TAMPERED:
                    found.append((table, column, row, bit))
                _put(database, table, column, where, value)
        assert (await verifier.verify(DatabaseEvidence(log.url))).verdict is Verdict.PASS
        return found

    with closing(sqlite3.connect(log.url.removeprefix("sqlite:///"), isolation_level=None)) as database:
        database.text_factory = bytes
        assert asyncio.run(missed(database)) == []


def _bits(value: bytes | int, full: bool) -> Iterable[int]:
    """All of them, or one of each byte."""
    every = range(_length(value))
    return every if full else [random.choice(every[byte : byte + 8]) for byte in every[::8]]


def _stored(value: Any) -> bytes | int:
    return value.encode() if isinstance(value, str) else value


def _read(before: Any, stored: bytes | int) -> Any:
    """What comes out of a database where this was stored in the place of the value before."""
    return stored.decode(errors="surrogateescape") if isinstance(before, str) and isinstance(stored, bytes) else stored


def _length(value: bytes | int) -> int:
    return 64 if isinstance(value, int) else 8 * len(value)


def _flipped(value: bytes | int, bit: int) -> bytes | int:
    if isinstance(value, int):
        return int.from_bytes(_flip(value.to_bytes(8, "little", signed=True), bit), "little", signed=True)
    return _flip(value, bit)


def _flip(content: bytes, bit: int) -> bytes:
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _values(database: sqlite3.Connection) -> list[tuple[str, str, int]]:
    """Tables, columns, and rows of those values that are evidence and not NULL."""
    found = []
    for table in TABLES:
        columns = [row[1].decode() for row in database.execute(f"PRAGMA table_info({table})")]
        for column in columns:
            if (table, column) != ("audit_checkpoints", "time"):
                rows = database.execute(f"SELECT rowid FROM {table} WHERE length({column}) > 0").fetchall()
                found += [(table, column, row) for (row,) in rows]
    return found


def _put(database: sqlite3.Connection, table: str, column: str, row: int, value: bytes | int) -> int:
    """Change a value; where the row is then. A text stays one, of whatever bytes."""
    kind = database.execute(f"SELECT typeof({column}) FROM {table} WHERE rowid = ?", (row,)).fetchone()[0].decode()
    place = "CAST(? AS TEXT)" if kind == "text" else "?"
    database.execute(f"UPDATE {table} SET {column} = {place} WHERE rowid = ?", (value, row))
    return value if column == "idx" and isinstance(value, int) else row
