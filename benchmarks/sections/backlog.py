"""Once a sink that was away is back: how fast what waits in the journal reaches it, and what a record takes on disk."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import SQLAlchemySink
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.schema import RECORDS
from benchmarks.bench import Bench
from benchmarks.results import Results, Table
from benchmarks.stored import stored
from benchmarks.traffic import bare, post, serve

_PATIENCE: Final = 3600.0
_SIZE: Final = sa.text(
    "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_master WHERE tbl_name = :name)"
)
_ROUND: Final = 5000  # requests between two looks


class Away:
    """A sink that fails until it is `back`."""

    def __init__(self, url: str) -> None:
        self.back = False
        self._sink = SQLAlchemySink(url)

    async def open(self) -> None:
        """Nobody is there yet."""
        if not self.back:
            raise ConnectionRefusedError

    async def write(self, records: Sequence[Record]) -> None:
        """Fail, or store."""
        if not self.back:
            raise ConnectionRefusedError
        await self._sink.write(records)

    async def close(self) -> None:
        """Close what was opened."""
        await self._sink.close()


def measure(bench: Bench) -> Results:
    """Requests while the sink is away; then it comes back."""
    requests = bench.pick(2000, 100_000, 1_000_000)
    rows = [
        _catch_up(bench, name, url, requests)
        for name, url in (("PostgreSQL", bench.postgres()), ("SQLite", bench.sqlite()))
    ]
    return Results(
        [
            Table(
                "backlog",
                f"Catching up {requests:,} records",
                ["sink", "records/s", "CPU µs", "journal, bytes", "database, bytes"],
                rows,
                "CPU of the whole process for each record; bytes for each record, those of indexes among them.",
            )
        ]
    )


def _catch_up(bench: Bench, name: str, url: str, requests: int) -> list[str | float]:
    place = bench.directory()
    sink = Away(url)
    delivery = Delivery(rejected=place / "rejected.jsonl")
    trail = AuditTrail(sink, journal=FileJournal(place / "journal", max_bytes=2**34), delivery=delivery)
    with trail:
        app = AuditMiddleware(bare, trail)
        for _ in range(0, requests, _ROUND):
            asyncio.run(serve(app, post, min(_ROUND, requests)))
        waiting = sum(each.stat().st_size for each in place.glob("journal/*/*.seg"))
        sink.back = True
        cpu, wall = time.process_time(), time.perf_counter()
        trail.flush(_PATIENCE)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    rows = asyncio.run(stored(url))
    assert rows == requests, (rows, requests)
    size = asyncio.run(_size(url))
    return [name, round(requests / wall), cpu / requests * 1e6, round(waiting / requests), round(size / requests)]


async def _size(url: str) -> int:
    """The bytes that the table takes, with its indexes."""
    engine = Database(url).writing()
    async with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            size = await connection.scalar(sa.text(f"SELECT pg_total_relation_size('{RECORDS}')"))
        else:
            await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            size = await connection.scalar(_SIZE, {"name": RECORDS})
    await engine.dispose()
    return int(size or 0)
