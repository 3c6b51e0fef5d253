"""What questions cost in small and large tables, at any depth; and sealing and verifying beside storing."""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asgi_audit.anchors import FileAnchor
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import AuditStore, DatabaseEvidence, Sealer, SQLAlchemySink
from asgi_audit.store import first_id
from asgi_audit.verification import Verifier
from benchmarks.bench import Bench
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stock import SPACING, Stock

_BATCH: Final = 5000
_PAGE: Final = 50
_NEWEST: Final = "newest page"
_DEPTHS: Final = (0.1, 0.5, 0.9, 0.99)
_MILLISECONDS: Final = 1e3
_HOUR: Final = 3.6e9  # microseconds
#: In a process of its own, whose memory is then known.
_SEALING: Final = (
    "from benchmarks.sections.reading import seal_and_verify; import asyncio, sys;"
    " asyncio.run(seal_and_verify(sys.argv[1], sys.argv[2], int(sys.argv[3])))"
)


def measure(bench: Bench) -> Results:
    """A table grows from the smallest size to the largest, and is asked at each."""
    sizes = bench.pick([1000, 3000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000, 10_000_000])
    tables: list[Table] = []
    depths: list[list[Cell]] = []
    goals: list[Goal] = []
    with asyncio.Runner() as runner:
        for name, url in (("PostgreSQL", bench.postgres()), ("SQLite", bench.sqlite())):
            asked, deep = runner.run(_grow(url, sizes, bench.pick(2, 41)))
            tables.append(_table(name, asked))
            newest = deep[0][1]
            depths += [[f"{name}, {depth}", took, took.median / newest.median] for depth, took in deep]
            worst = max(took.median for _, took in deep)
            goals += [
                Goal(f"{name}: any page of 50 at any depth against the newest", 2, worst / newest.median),
                Goal(f"{name}: any page of 50, milliseconds", 3, worst),
            ]
    title = f"A page of {_PAGE} out of {sizes[-1]:,} rows, by how many are newer"
    tables.append(Table("depth", title, ["depth", "ms", "× newest"], depths))
    tables.append(_integrity(bench, bench.pick([1000], [10_000, 100_000], [10_000, 100_000, 1_000_000])))
    return Results(tables, goals)


async def _grow(
    url: str, sizes: list[int], repetitions: int
) -> tuple[dict[int, dict[str, Figure]], list[tuple[str, Figure]]]:
    stock, sink = Stock(sizes[-1]), SQLAlchemySink(url)
    asked: dict[int, dict[str, Figure]] = {}
    deep: dict[str, Figure] = {}
    began, stored = time.time_ns() // 1000 - sizes[-1] * SPACING, 0
    await sink.open()
    for size in sizes:
        for batch in stock.batches(size - stored, _BATCH):
            await sink.write(batch)
        stored = size
        end = began + size * SPACING
        async with AuditStore(url) as store:
            asked[size] = await _ask(_questions(store, began, end), repetitions)
            deep = await _ask(_pages(store, began, end), repetitions)
    await sink.close()
    return asked, list(deep.items())


Question = Callable[[], Awaitable[object]]


def _questions(store: AuditStore, began: int, end: int) -> dict[str, Question]:
    middle = first_id((began + end) // 2 // SPACING * SPACING)
    since, until = (datetime.fromtimestamp(at / 1e6, UTC) for at in ((began + end) / 2, (began + end) / 2 + _HOUR))
    return {
        _NEWEST: lambda: store.page(size=_PAGE),
        "page in the middle": lambda: store.page(size=_PAGE, older_than=middle),
        "one actor": lambda: store.page(size=_PAGE, actor="42"),
        "one target": lambda: store.page(size=_PAGE, target_type="order", target="77"),
        "one action": lambda: store.page(size=_PAGE, action="PUT /c/{id}"),
        "one actor, older": lambda: store.page(size=_PAGE, actor="42", older_than=middle),
        "one actor, one hour": lambda: store.page(size=_PAGE, actor="42", since=since, until=until),
        "no such actor": lambda: store.page(size=_PAGE, actor="nobody"),
        "one record": lambda: store.get(middle),
    }


def _pages(store: AuditStore, began: int, end: int) -> dict[str, Question]:
    pages: dict[str, Question] = {"0 %": lambda: store.page(size=_PAGE)}
    for depth in _DEPTHS:
        at = first_id(int(end - (end - began) * depth))
        pages[f"{depth * 100:g} %"] = lambda at=at: store.page(size=_PAGE, older_than=at)  # type: ignore[misc]
    return pages


async def _ask(questions: dict[str, Question], repetitions: int) -> dict[str, Figure]:
    """Milliseconds, all questions in turns."""
    found: dict[str, list[float]] = {name: [] for name in questions}
    for number in range(-2, repetitions):
        for name, question in questions.items():
            start = time.perf_counter()
            await question()
            if number >= 0:
                found[name].append((time.perf_counter() - start) * _MILLISECONDS)
    return {name: Figure.of(each) for name, each in found.items()}


def _table(name: str, asked: dict[int, dict[str, Figure]]) -> Table:
    names = list(next(iter(asked.values())))
    rows: list[list[Cell]] = [[str(size), *figures.values()] for size, figures in asked.items()]
    title = f"Questions to {name}, milliseconds, by rows in the table"
    note = f"Pages have {_PAGE} records. 1,000 actors, 10,000 targets, 20 actions."
    return Table(f"reading-{name.lower()}", title, ["rows", *names], rows, note, Plot("lines", names, "ms", log=True))


def _integrity(bench: Bench, sizes: list[int]) -> Table:
    rows: list[list[Cell]] = []
    for name, make in (("PostgreSQL", bench.postgres), ("SQLite", bench.sqlite)):
        for size in sizes:
            command = [sys.executable, "-c", _SEALING, make(), str(bench.directory()), str(size)]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            assert found["sealed"] == size, found
            rows.append([f"{name}, {size:,}", *(found[column] for column in ("store", "seal", "verify", "megabytes"))])
    columns = ["records", "store, records/s", "seal, records/s", "verify, records/s", "verifying, MB more"]
    return Table("integrity", "Sealing and verifying, beside storing", columns, rows)


async def seal_and_verify(url: str, home: str, count: int) -> None:
    """Store, seal and verify so many records; print how many a second, and the memory that verifying took."""
    key, anchor = SigningKey.generate("audit.example/benchmark"), FileAnchor(Path(home) / "anchor.jsonl")
    sink = SQLAlchemySink(url)
    await sink.open()
    start = time.perf_counter()
    for batch in Stock(count).batches(count, 1000):
        await sink.write(batch)
    stored = time.perf_counter()
    await sink.close()
    await Sealer(url, keys=[key], anchors=[anchor]).seal()
    sealed, before = time.perf_counter(), _megabytes()
    report = await Verifier(keys=[key.verifier], anchors=[anchor]).verify(DatabaseEvidence(url))
    verified = time.perf_counter()
    assert report.verdict == "PASS", report
    rates = {"store": stored - start, "seal": sealed - stored, "verify": verified - sealed}
    found = {name: round(count / seconds) for name, seconds in rates.items()}
    print(json.dumps({**found, "sealed": report.sealed, "megabytes": round(_megabytes() - before, 1)}))


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
