"""What sealing and verifying cost, beside storing: records a second, memory, and bytes on disk.

`python -m benchmarks.sealing [URL] [--records N]`; without a URL on SQLite, in a temporary directory. Records are
stored and sealed in turns, so that the rates of both are of one run; verifying then reads all of them. Their ids are
those of an application that makes twenty records a second, up to now.
"""

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from asgi_audit.anchors import FileAnchor
from asgi_audit.ids import IdSource
from asgi_audit.record import VERSION, Actor, Kind, Outcome, Record, Request, Response, Source, Target
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import DatabaseEvidence, Sealer, SQLAlchemySink
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.store import first_id
from asgi_audit.verification import Verifier
from benchmarks.table import table

_BATCH: Final = 1000
_ROUND: Final = 20_000  # records that are stored, then sealed
_SPACING: Final = 50_000  # microseconds between two records
_TABLES: Final = ("audit_records", "audit_leaves", "audit_checkpoints")


class _Stopwatch:
    """Adds up the time that a kind of work takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began


def _records(ids: IdSource, writer: str, began: int, first: int, count: int) -> list[Record]:
    now = datetime.now(UTC)
    return [
        Record(
            v=VERSION,
            id=first_id(began + seq * _SPACING),
            kind=Kind.HTTP,
            time=now,
            action="POST /orders/{id}",
            writer=writer,
            seq=seq,
            duration_us=1200,
            outcome=Outcome.SUCCESS,
            actor=Actor("42", type="user", name="Ada", source="scope"),
            targets=[Target("7", type="order")],
            source=Source(ip="192.0.2.7", ip_source="peer", port=50123, user_agent="Mozilla/5.0 (X11; Linux x86_64)"),
            request=Request(
                path="/orders/7", method="POST", route="/orders/{id}", params={"id": "7"}, host="shop.example"
            ),
            response=Response(status=201, size=17),
            salts=ids.new_salts(),
        )
        for seq in range(first, first + count)
    ]


async def _measure(url: str, home: Path, count: int) -> None:
    key, anchor = SigningKey.generate("audit.example/benchmark"), FileAnchor(home / "anchor.jsonl")
    storing, sealing, idle, verifying = (_Stopwatch() for _ in range(4))
    sealer = Sealer(url, keys=[key], anchors=[anchor])
    sink, ids, writer = SQLAlchemySink(url), IdSource(), os.urandom(16).hex()
    began = time.time_ns() // 1000 - count * _SPACING
    await sink.open()
    for first in range(0, count, _ROUND):
        batches = [
            _records(ids, writer, began, at, min(_BATCH, count - at))
            for at in range(first, min(first + _ROUND, count), _BATCH)
        ]
        with storing:
            for batch in batches:
                await sink.write(batch)
        with sealing:
            await sealer.seal()
    with idle:
        await sealer.seal()
    await sink.close()
    verifier = Verifier(keys=[key.verifier], anchors=[anchor])
    before = _megabytes()
    with verifying:
        report = await verifier.verify(DatabaseEvidence(url))
    rows: list[Sequence[object]] = [
        ("store", round(count / storing.seconds), 1.0),
        ("seal", round(count / sealing.seconds), storing.seconds / sealing.seconds),
        ("verify", round(count / verifying.seconds), storing.seconds / verifying.seconds),
    ]
    print(table(("work", "records/s", "x storing"), rows))
    print(f"\n{report.verdict}: {report.sealed} records; a pass with nothing to seal: {idle.seconds * 1000:.1f} ms")
    print(f"resident memory: {before:.0f} MB before verifying, {_megabytes():.0f} MB at most\n")
    print(table(("on disk", "bytes a record"), await _sizes(url, count)))


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


async def _sizes(url: str, count: int) -> list[tuple[str, float]]:
    """Tables with their indexes."""
    engine = Database(url).writing()
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            size = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
            found = [(name, await connection.scalar(size, {"name": name})) for name in _TABLES]
        else:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            pages = sa.text(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)"
            )
            found = [(name, await connection.scalar(pages, {"name": name})) for name in _TABLES]
    await engine.dispose()
    return [(name, (size or 0) / count) for name, size in found]


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="an empty database of PostgreSQL; left out, SQLite")
    parser.add_argument("--records", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        url = options.url or f"sqlite:///{directory}/audit.db"
        asyncio.run(_measure(url, Path(directory), options.records))


if __name__ == "__main__":
    main()
