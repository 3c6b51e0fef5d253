"""What it costs to have a record on the disk: the wait of `fsync="always"`, an intent, and recovery."""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from statistics import quantiles
from typing import Final, NamedTuple

from asgi_audit import AuditTrail
from asgi_audit.journal import FileJournal
from asgi_audit.journal.frame import INTENT, RECORD, Entry, entries
from asgi_audit.record import Record
from benchmarks.bench import Bench, interleaved
from benchmarks.cases import audited
from benchmarks.commits import Committing, GroupCommit, Working, load
from benchmarks.recovery import recovery
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stock import Stock
from benchmarks.traffic import nowhere

_FILE_BYTES: Final = 2**24
_CONCURRENT: Final = (1, 16, 64, 256)
_HELD_AGAINST: Final = 64
_WORK_SECONDS: Final = 0.05
_PATIENCE: Final = 600.0


class Took(NamedTuple):
    """Microseconds for each entry."""

    cpu: float
    wall: float


def measure(bench: Bench) -> Results:
    """Beside a bare group commit of as many bytes, and bare writes."""
    busy, _ = _waiting(bench, 0.0)
    working, goals = _waiting(bench, _WORK_SECONDS)
    return Results([busy, working, _entries(bench), recovery(bench)], goals)


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

        works: dict[tuple[str, int], Callable[[], list[float]]] = {}
        for concurrent in _CONCURRENT:
            count = max(requests // 16, 2 * concurrent) if pause else max(requests, concurrent)
            works["bare", concurrent] = partial(theirs, concurrent, count)
            works["ours", concurrent] = partial(ours, concurrent, count)
        found = interleaved(works, rounds, warm=0)
    cuts = {each: [_percentiles(waits) for waits in found[each]] for each in found}
    for concurrent in _CONCURRENT:
        shown = [Figure.of(each[at] for each in cuts[name, concurrent]) for at in (0, 1) for name in ("bare", "ours")]
        rows.append([str(concurrent), *shown, _ratio(cuts, ("ours", concurrent), ("bare", concurrent))])
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
    many = ("ours", _HELD_AGAINST)
    return table, [
        Goal(
            "always, p50 at 64 concurrent against a bare group commit",
            1.3,
            _ratio(cuts, many, ("bare", _HELD_AGAINST)).median,
        ),
        Goal("always, p50 at 64 concurrent against 1", 2, _ratio(cuts, many, ("ours", 1)).median),
    ]


def _ratio(
    cuts: Mapping[tuple[str, int], Sequence[tuple[float, float]]], one: tuple[str, int], other: tuple[str, int]
) -> Figure:
    """Of the medians, round by round."""
    return Figure.of(mine[0] / theirs[0] for mine, theirs in zip(cuts[one], cuts[other], strict=True))


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
    trail = AuditTrail(nowhere, journal=(journal := FileJournal(place / "journal")))
    stock = Stock(3 * count * (rounds + 2))

    def intend(records: list[Record]) -> None:
        for record in records:
            journal.intend(record)

    def end(records: list[Record]) -> None:
        for record in records:
            journal.append(record, record.id)

    def write(records: list[Record]) -> None:
        at = 0
        for record in records:
            at += os.pwrite(file, record.to_json(), at)

    def took(work: Callable[[list[Record]], None], records: list[Record]) -> Took:
        cpu, wall = time.thread_time(), time.perf_counter()
        work(records)
        return Took((time.thread_time() - cpu) / count * 1e6, (time.perf_counter() - wall) / count * 1e6)

    def journaled() -> tuple[Took, Took]:
        records = stock.take(count)
        halves = took(intend, records), took(end, records)
        trail.flush(_PATIENCE)
        return halves

    with trail:
        works: dict[str, Callable[[], tuple[Took, ...]]] = {
            "bare": lambda: (took(write, stock.take(count)),),
            "journaled": journaled,
        }
        found = interleaved(works, rounds)
    os.close(file)
    named = {
        "bare write": [each[0] for each in found["bare"]],
        "intent": [each[0] for each in found["journaled"]],
        "record that ends it": [each[1] for each in found["journaled"]],
    }
    rows: list[list[Cell]] = [
        [name, Figure.of(each.cpu for each in times), Figure.of(each.wall for each in times)]
        for name, times in named.items()
    ]
    note = "The same record each time, with its encoding as JSON."
    return Table("entries", "An entry of the journal in files", ["entry", "CPU µs", "wall µs"], rows, note)
