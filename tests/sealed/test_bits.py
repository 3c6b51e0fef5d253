"""A small log, of which every bit that is evidence is flipped, one at a time.

Evidence is all that is stored but the `time` of checkpoints, which nobody signs: it only tells how long a gap has been
open. What the schema's version is, and in which order rows are kept, nobody asks.
"""

import asyncio
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.sqlalchemy.migrations import upgrade_database
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.log import BEGINNING, Log, Writer

SECRET: Final = bytes(range(32))
NO_EVIDENCE: Final = {("audit_checkpoints", "time")}
TABLES: Final = ("audit_records", "audit_leaves", "audit_checkpoints")


class Memory:
    """An anchor that has been read, so that nothing but the verifier takes time."""

    name = "memory"

    def __init__(self, anchor: FileAnchor) -> None:
        self._checkpoints = list(anchor.read())

    async def publish(self, checkpoint: str) -> None:
        self._checkpoints.append(checkpoint)

    async def newest(self, log: str) -> str | None:
        return self._checkpoints[-1]

    def read(self) -> Iterator[str]:
        return iter(self._checkpoints)


class Bit(NamedTuple):
    """One in a bundle: of which line, of which value by its keys, and which."""

    line: int
    keys: tuple[str, ...]
    bit: int


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


def test_every_bit_of_a_bundle(log: Log, tmp_path: Path, full: bool) -> None:
    """Whichever bit of whichever value is flipped, the log is found to have been tampered with."""
    lines = [json.loads(line) for line in asyncio.run(_bundle(log)).splitlines()]
    file = tmp_path / "bundle"
    file.write_bytes(_joined(lines))
    verifier = _verifier(log)
    assert asyncio.run(verifier.verify(Bundle(file))).verdict is Verdict.PASS

    async def missed() -> list[Bit]:
        return [bit for bit in _bits(lines, full) if await _passes(verifier, lines, bit, file)]

    assert asyncio.run(missed()) == []


def test_a_bit_of_every_value_in_a_database(log: Log, full: bool) -> None:
    """The same in the tables themselves, where bytes need not be a text, but keys may not be there twice."""
    verifier = _verifier(log)
    path = Path(log.url.removeprefix("sqlite:///"))

    async def verify() -> Report:
        return await verifier.verify(DatabaseEvidence(log.url))

    assert asyncio.run(verify()).verdict is Verdict.PASS
    chance = random.Random()
    passed = []
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.text_factory = bytes
        for table, column, row in _values(database):
            (value,) = database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
            for _ in range(8 if full else 1):
                bit = chance.randrange(_length(value))
                try:
                    where = _put(database, table, column, row, _flipped(value, bit))
                except sqlite3.IntegrityError:
                    continue
                if asyncio.run(verify()).verdict is not Verdict.TAMPERED:
                    passed.append((table, column, row, bit))
                _put(database, table, column, where, value)
    assert passed == []
    assert asyncio.run(verify()).verdict is Verdict.PASS


async def _bundle(log: Log) -> bytes:
    file = BytesIO()
    async with DatabaseEvidence(log.url) as evidence:
        await write_bundle(evidence, file)
    return file.getvalue()


def _verifier(log: Log) -> Verifier:
    return Verifier(keys=log.pinned, anchors=[Memory(FileAnchor(log.anchor))], mac=log.mac)


def _joined(lines: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _bits(lines: list[dict[str, Any]], full: bool) -> Iterator[Bit]:
    """All of them, or one of each byte."""
    chance = random.Random()
    for number, line in enumerate(lines[1:-1], 1):
        values = {(name,): value for name, value in line.items() if name not in {"row", "time"}}
        values |= {("row", name): value for name, value in (line.get("row") or {}).items()}
        for keys, value in values.items():
            if value is not None:
                for byte in range(0, _length(_stored(keys, value)), 8):
                    for bit in range(8) if full else [chance.randrange(8)]:
                        yield Bit(number, keys, byte + bit)


async def _passes(verifier: Verifier, lines: list[dict[str, Any]], bit: Bit, file: Path) -> bool:
    line = json.loads(json.dumps(lines[bit.line]))
    holder = line
    for key in bit.keys[:-1]:
        holder = holder[key]
    value = _flipped(_stored(bit.keys, holder[bit.keys[-1]]), bit.bit)
    if isinstance(value, bytes):
        value = value.hex() if bit.keys[-1] in {"hash", "peaks"} else value.decode(errors="surrogateescape")
    holder[bit.keys[-1]] = value
    file.write_bytes(_joined([*lines[: bit.line], line, *lines[bit.line + 1 :]]))
    report = await verifier.verify(Bundle(file))
    return report.verdict is not Verdict.TAMPERED or not report.findings


def _stored(keys: tuple[str, ...], value: Any) -> bytes | int:
    """What the database had: bytes, of a text as well, or a number."""
    if isinstance(value, int):
        return value
    return bytes.fromhex(value) if keys[-1] in {"hash", "peaks"} else str(value).encode()


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
            if (table, column) not in NO_EVIDENCE:
                rows = database.execute(f"SELECT rowid FROM {table} WHERE length({column}) > 0").fetchall()
                found += [(table, column, row) for (row,) in rows]
    return found


def _put(database: sqlite3.Connection, table: str, column: str, row: int, value: bytes | int) -> int:
    """Change a value; where the row is then. A text stays one, of whatever bytes."""
    kind = database.execute(f"SELECT typeof({column}) FROM {table} WHERE rowid = ?", (row,)).fetchone()[0].decode()
    place = "CAST(? AS TEXT)" if kind == "text" else "?"
    database.execute(f"UPDATE {table} SET {column} = {place} WHERE rowid = ?", (value, row))
    return value if column == "idx" and isinstance(value, int) else row
