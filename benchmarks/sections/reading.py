"""What questions cost in small and large tables, at any depth; and sealing and verifying beside storing."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asgi_audit.anchors import FileAnchor
from asgi_audit.signing import SigningKey, VerifierKey
from asgi_audit.sqlalchemy import AuditStore, DatabaseEvidence, Sealer, SQLAlchemySink
from asgi_audit.store import Page, first_id
from asgi_audit.verification import Verifier
from benchmarks.bench import Bench, interleaved
from benchmarks.child import in_child
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stock import SPACING, Stock

_BATCH: Final = 5000
_PAGE: Final = 50
_NEWEST: Final = "newest page"
_NOBODY: Final = "no such actor"
_DEPTHS: Final = (0.1, 0.5, 0.9, 0.99)
_MILLISECONDS: Final = 1e3
_HOUR: Final = 3.6e9  # microseconds


def measure(bench: Bench) -> Results:
    """A table grows from the smallest size to the largest, and is asked at each."""
    sizes = bench.pick([1000, 3000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000, 10_000_000])
    tables: list[Table] = []
    depths: list[list[Cell]] = []
    goals: list[Goal] = []
    with asyncio.Runner() as runner:
        for name, url in (("PostgreSQL", bench.postgres()), ("SQLite", bench.sqlite())):
            asked, deep = _grow(runner, url, sizes, bench.pick(2, 41))
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


def _grow(
    runner: asyncio.Runner, url: str, sizes: list[int], repetitions: int
) -> tuple[dict[int, dict[str, Figure]], list[tuple[str, Figure]]]:
    stock, sink, stored = Stock(sizes[-1]), SQLAlchemySink(url), 0
    asked: dict[int, dict[str, Figure]] = {}
    deep: dict[str, Figure] = {}
    runner.run(sink.open())
    for size in sizes:
        for batch in stock.batches(size - stored, _BATCH):
            runner.run(sink.write(batch))
        stored = size
        end = stock.began + size * SPACING
        store = runner.run(AuditStore(url).__aenter__())
        asked[size] = _ask(runner, _questions(store, stock.began, end), repetitions)
        deep = _ask(runner, _pages(store, stock.began, end), repetitions)
        runner.run(store.__aexit__(None, None, None))
    runner.run(sink.close())
    return asked, list(deep.items())


Question = Callable[[], Awaitable[object]]


def _questions(store: AuditStore, began: int, end: int) -> dict[str, Question]:
    middle = first_id(began + (end - began) // SPACING // 2 * SPACING)
    since, until = (datetime.fromtimestamp(at / 1e6, UTC) for at in ((began + end) / 2 - _HOUR, (began + end) / 2))
    return {
        _NEWEST: lambda: store.page(size=_PAGE),
        "page in the middle": lambda: store.page(size=_PAGE, older_than=middle),
        "one actor": lambda: store.page(size=_PAGE, actor="0"),
        "one target": lambda: store.page(size=_PAGE, target_type="order", target="0"),
        "one action": lambda: store.page(size=_PAGE, action="PUT /c/{id}"),
        "one actor, older": lambda: store.page(size=_PAGE, actor="0", older_than=middle),
        "one actor, one hour": lambda: store.page(size=_PAGE, actor="0", since=since, until=until),
        _NOBODY: lambda: store.page(size=_PAGE, actor="nobody"),
        "one record": lambda: store.get(middle),
    }


def _pages(store: AuditStore, began: int, end: int) -> dict[str, Question]:
    pages: dict[str, Question] = {"0 %": lambda: store.page(size=_PAGE)}
    for depth in _DEPTHS:
        at = first_id(int(end - (end - began) * depth))
        pages[f"{depth * 100:g} %"] = lambda at=at: store.page(size=_PAGE, older_than=at)  # type: ignore[misc]
    return pages


def _ask(runner: asyncio.Runner, questions: dict[str, Question], repetitions: int) -> dict[str, Figure]:
    """Milliseconds. Every question has an answer, but for that which is to have none."""

    async def timed(name: str, question: Question) -> float:
        start = time.perf_counter()
        answer = await question()
        took = (time.perf_counter() - start) * _MILLISECONDS
        found = bool(answer.records) if isinstance(answer, Page) else answer is not None
        assert found is (name != _NOBODY), name
        return took

    works = {name: (lambda name=name, each=each: runner.run(timed(name, each))) for name, each in questions.items()}
    return {name: Figure.of(times) for name, times in interleaved(works, repetitions).items()}


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
            url, home = make(), bench.directory()
            found = {**in_child(seal, url, home, size), **in_child(verify, url, home, size)}
            rows.append([f"{name}, {size:,}", *(found[column] for column in ("store", "seal", "verify", "megabytes"))])
    columns = ["records", "store, records/s", "seal, records/s", "verify, records/s", "verifying, MB more"]
    return Table("integrity", "Sealing and verifying, beside storing", columns, rows)


def seal(url: str, home: str, count: str) -> None:
    """Store and seal so many records; print how many a second."""
    asyncio.run(_seal(url, Path(home), int(count)))


async def _seal(url: str, home: Path, count: int) -> None:
    key, anchor = SigningKey.generate("audit.example/benchmark"), FileAnchor(home / "anchor.jsonl")
    key.save(home / "key")
    sink = SQLAlchemySink(url)
    await sink.open()
    start = time.perf_counter()
    for batch in Stock(count).batches(count, 1000):
        await sink.write(batch)
    stored = time.perf_counter()
    await sink.close()
    await Sealer(url, keys=[key], anchors=[anchor]).seal()
    sealed = time.perf_counter()
    print(json.dumps({"store": round(count / (stored - start)), "seal": round(count / (sealed - stored))}))


def verify(url: str, home: str, count: str) -> None:
    """Verify what was sealed; print how many records a second, and the memory that it took."""
    key, anchor = VerifierKey.load(Path(home) / "key.pub"), FileAnchor(Path(home) / "anchor.jsonl")
    before, start = _megabytes("VmRSS"), time.perf_counter()
    report = asyncio.run(Verifier(keys=[key], anchors=[anchor]).verify(DatabaseEvidence(url)))
    seconds = time.perf_counter() - start
    assert (report.verdict, report.sealed) == ("PASS", int(count)), report
    megabytes = round(_megabytes("VmHWM") - before, 1)
    print(json.dumps({"verify": round(report.sealed / seconds), "megabytes": megabytes}))


def _megabytes(what: str) -> float:
    """Of this process's memory, as Linux says (proc(5)): `VmRSS` now, `VmHWM` at most so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1000
