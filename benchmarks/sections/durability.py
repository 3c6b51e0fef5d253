"""What it costs to have a record on the disk: the wait of `fsync="always"`, an intent, and recovery."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Final

from asgi_audit import AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal
from asgi_audit.journal.frame import INTENT, RECORD, Entry, entries
from asgi_audit.record import Record
from benchmarks.bench import Bench, interleaved
from benchmarks.cases import audited
from benchmarks.commits import Committing, GroupCommit, Working, load
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stock import Stock

_FILE_BYTES: Final = 2**24
_CONCURRENT: Final = (1, 16, 64, 256)
_HELD_AGAINST: Final = 64
_WORK_SECONDS: Final = 0.05
_PATIENCE: Final = 600.0
#: Writes so many entries into a journal, half of them intents, and dies.
_DYING: Final = "from benchmarks.sections.durability import die; import sys; die(sys.argv[1], int(sys.argv[2]))"


def measure(bench: Bench) -> Results:
    """Beside a bare group commit of as many bytes, and bare writes."""
    busy, _ = _waiting(bench, 0.0)
    working, goals = _waiting(bench, _WORK_SECONDS)
    return Results([busy, working, _entries(bench), _recovery(bench)], goals)


def _waiting(bench: Bench, pause: float) -> tuple[Table, list[Goal]]:
    """How much later a response ends. Clients run concurrently in one loop, each with one request after the other."""
    requests, rounds = bench.pick(16, 1024), bench.pick(1, 5)
    rows: list[list[Cell]] = []
    with ExitStack() as stack:
        working = Working(pause)
        place = bench.directory()
        journal = FileJournal(place / "journal", fsync="always")
        case = stack.enter_context(audited(place, journal, app=working))
        asyncio.run(load(case.app, 1, 1))
        commits = stack.enter_context(GroupCommit(place / "commits", _FILE_BYTES))
        bare = Committing(working, commits, _lines(journal))

        def theirs(concurrent: int, count: int) -> list[float]:
            return asyncio.run(load(bare, concurrent, count))

        def ours(concurrent: int, count: int) -> list[float]:
            waits = asyncio.run(load(case.app, concurrent, count))
            case.deliver()
            return waits

        medians: dict[int, tuple[float, float]] = {}
        for concurrent in _CONCURRENT:
            count = max(requests // 16, 2 * concurrent) if pause else max(requests, concurrent)
            works: dict[str, Callable[[], list[float]]] = {
                "bare": partial(theirs, concurrent, count),
                "ours": partial(ours, concurrent, count),
            }
            found = interleaved(works, rounds, warm=0)
            cuts = {name: [_percentiles(waits) for waits in each] for name, each in found.items()}
            ratios = [mine[0] / theirs[0] for mine, theirs in zip(cuts["ours"], cuts["bare"], strict=True)]
            shown = [Figure.of(each[at] for each in cuts[name]) for at in (0, 1) for name in ("bare", "ours")]
            medians[concurrent] = shown[1].median, Figure.of(ratios).median
            rows.append([str(concurrent), *shown, Figure.of(ratios)])
    name, title = (
        ("working", "requests that work for 50 ms") if pause else ("busy", "requests that follow each other at once")
    )
    columns = ["concurrent", "bare p50 µs", "p50 µs", "bare p99 µs", "p99 µs", "p50 × bare"]
    table = Table(
        f"always-{name}",
        f"fsync=always: how much later a response ends, {title}",
        columns,
        rows,
        "“bare” is a group commit that does nothing else: one thread syncs for all who have written meanwhile.",
        Plot("lines", columns[1:3], "µs"),
    )
    at_64, at_1 = medians[_HELD_AGAINST], medians[1]
    return table, [
        Goal("always, p50 at 64 concurrent against a bare group commit", 1.3, at_64[1]),
        Goal("always, p50 at 64 concurrent against 1", 2, at_64[0] / at_1[0]),
    ]


def _lines(journal: FileJournal) -> tuple[bytes, bytes]:
    """An intent and a record, as they stand in the journal."""
    (segment,) = journal.path.glob("*/*.seg")
    content = segment.read_bytes()
    start, found = 0, {}
    for entry in entries(content):
        if isinstance(entry, Entry):
            found[entry.words[0]] = content[start : entry.end]
        start = entry.end
    return found[INTENT], found[RECORD]


def _percentiles(values: list[float]) -> tuple[float, float]:
    cuts = quantiles(values, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _entries(bench: Bench) -> Table:
    """What the journal adds to a bare write of as many bytes, for entries that are ready."""
    count, rounds = bench.pick(100, 2000), bench.pick(1, 15)
    place = bench.directory()
    file = os.open(place / "bare", os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(file, 0, _FILE_BYTES)
    trail = AuditTrail(_Counter(), journal=(journal := FileJournal(place / "journal")))
    stock = Stock(3 * count * (rounds + 2))

    def append(records: list[Record]) -> None:
        for record in records:
            journal.append(record, record.id)

    def intend(records: list[Record]) -> None:
        for record in records:
            journal.intend(record)

    def write(records: list[Record]) -> None:
        lines = [record.to_json() for record in records]
        at = 0
        for line in lines:
            at += os.pwrite(file, line, at)

    def timed(work: Callable[[list[Record]], None]) -> float:
        records = stock.take(count)
        start = time.thread_time()
        work(records)
        took = (time.thread_time() - start) / count * 1e6
        trail.flush(_PATIENCE)
        return took

    with trail:
        works = {"encode, bare write": write, "intent": intend, "record that ends it": append}
        found = interleaved({name: partial(timed, work) for name, work in works.items()}, rounds)
    os.close(file)
    rows: list[list[Cell]] = [[name, Figure.of(each)] for name, each in found.items()]
    return Table("entries", "An entry of the journal in files", ["entry", "CPU µs"], rows, "With its encoding as JSON.")


def _recovery(bench: Bench) -> Table:
    """A process dies with half of its requests running; how long until the next has it all delivered."""
    rows: list[list[Cell]] = []
    for count in bench.pick([2000], [10_000, 100_000], [10_000, 100_000, 1_000_000]):
        place = bench.directory()
        command = [sys.executable, "-c", _DYING, str(place), str(count)]
        environment = {**os.environ, "PYTHONPATH": ":".join(filter(None, [*sys.path, str(Path.cwd())]))}
        subprocess.run(command, env=environment, check=True)
        counter = _Counter()
        trail = AuditTrail(counter, journal=_journal(place), delivery=_delivery(place))
        start = time.perf_counter()
        with trail:
            wanted = count // 2 + count // 4  # records, and what became of the intents without one
            while counter.count < wanted and time.perf_counter() - start < _PATIENCE:
                trail.flush(_PATIENCE)
                time.sleep(0.001)
            took = time.perf_counter() - start
        assert counter.count == wanted, (counter.count, wanted)
        rows.append([f"{count}", round(took, 2), round(count / took)])
    return Table(
        "recovery",
        "Recovery after kill -9",
        ["entries", "seconds", "entries/s"],
        rows,
        "Until all is delivered to a sink that does nothing. Half of the entries are records, the others are intents,"
        " half of which belong to requests that were interrupted.",
    )


def die(place: str, count: int) -> None:
    """Write entries, and be gone."""
    home, journal = Path(place), _journal(Path(place))
    trail = AuditTrail(_Counter(), journal=journal, delivery=_delivery(home, 3600.0))
    trail.open()
    for batch in Stock(count).batches(count // 2, 100):
        for number, record in enumerate(batch):
            journal.intend(record)
            journal.append(Stock(1).take(1)[0] if number % 2 else record, None if number % 2 else record.id)
    journal.sync()
    os._exit(0)


def _journal(place: Path) -> FileJournal:
    return FileJournal(place / "journal", max_bytes=2**34)


def _delivery(place: Path, linger: float = 0.05) -> Delivery:
    return Delivery(linger=linger, rejected=place / "rejected.jsonl")


class _Counter:
    """A sink that only counts requests."""

    def __init__(self) -> None:
        self.count = 0

    async def open(self) -> None:
        """Nothing to open."""

    async def write(self, records: Sequence[Record]) -> None:
        """Count."""
        self.count += sum(record.kind == "http" for record in records)

    async def close(self) -> None:
        """Nothing to close."""
