"""What a recorded request costs inside the process, above the bare application and beside the no-op wrapper."""

import asyncio
import gc
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Final, NamedTuple

from benchmarks import instructions
from benchmarks.bench import Bench, interleaved
from benchmarks.cases import LARGE, MAKERS, OTHERS, Case, Maker, delivered, unwrapped, wrapped
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.traffic import NoOp

_UNIT: Final = "no-op"
_COUNTED: Final = 300  # requests, for instructions
_BASE: Final[dict[str, Maker]] = {"bare": unwrapped(), _UNIT: wrapped(NoOp)}


class Took(NamedTuple):
    """Microseconds per request."""

    cpu: float
    wall: float


Added = Mapping[str, tuple[Figure, Figure]]  # CPU and wall


def measure(bench: Bench) -> Results:
    """The thread that serves; then the whole process, with the delivery."""
    served = _added(bench, {**MAKERS, **OTHERS}, whole=False)
    counts = _instructions(bench)
    large = _times(bench, LARGE, whole=False, requests=bench.pick(2, 10))
    stores = {"to PostgreSQL": delivered(bench.postgres()), "to SQLite": delivered(bench.sqlite())}
    whole = _added(bench, {**_BASE, **stores}, whole=True)
    unit = served[_UNIT][0].median
    goals = [
        Goal("20 policy rules against 1", 1.3, _ratio(served, "skipped, 20 rules", "skipped, 1 rule")),
        Goal("file journal, intent and record, CPU time × no-op", 8, served["file, interval"][0].median / unit),
        Goal("everything drained to PostgreSQL, CPU time × no-op", 12, _ratio(whole, "to PostgreSQL", _UNIT)),
        Goal("everything drained to SQLite, CPU time × no-op", 22, _ratio(whole, "to SQLite", _UNIT)),
        Goal(
            "capped capture of a 1 MB body against not capturing, CPU time",
            1.3,
            large["recorded with its body"].median / large["recorded"].median,
        ),
    ]
    if counts:
        goals = [
            Goal("skipped request, instructions × no-op", 0.8, counts["skipped"] / counts[_UNIT]),
            Goal("memory journal, instructions × no-op", 5, counts["memory"] / counts[_UNIT]),
            *goals,
        ]
    return Results(
        [
            _table(
                "in-process",
                "Added to a request, in the thread that serves",
                served,
                counts,
                "The first rows record nothing. Everything is above the bare application of the same repetition.",
            ),
            _table(
                "drained",
                "Added to a request, in the whole process, everything delivered",
                whole,
                {},
                "CPU of both threads.",
            ),
            Table(
                "large",
                "A megabyte of JSON, made for each request, and answered in parts of 64 KiB",
                ["work", "CPU µs"],
                [[name, took] for name, took in large.items()],
                "Of the body 16 KiB are kept, and redacted.",
            ),
        ],
        goals,
    )


def _instructions(bench: Bench) -> dict[str, float]:
    if not instructions.available():
        return {}
    names = bench.pick(
        ["bare", _UNIT, "skipped", "memory"], [name for name in MAKERS if "rule" not in name and "always" not in name]
    )
    counts = {case: instructions.per_request(case, bench.pick(20, _COUNTED)) for case in names}
    return {name: count - counts["bare"] for name, count in counts.items()}


def _added(bench: Bench, makers: Mapping[str, Maker], *, whole: bool) -> Added:
    """What each case adds to the bare one of the same repetition."""
    took = _took(bench, makers, whole=whole, requests=bench.pick(5, 300))
    bare = took.pop("bare")
    return {
        name: (
            Figure.of(each.cpu - base.cpu for each, base in zip(times, bare, strict=True)),
            Figure.of(each.wall - base.wall for each, base in zip(times, bare, strict=True)),
        )
        for name, times in took.items()
    }


def _times(bench: Bench, makers: Mapping[str, Maker], *, whole: bool, requests: int) -> dict[str, Figure]:
    took = _took(bench, makers, whole=whole, requests=requests)
    return {name: Figure.of(each.cpu for each in times) for name, times in took.items()}


def _took(bench: Bench, makers: Mapping[str, Maker], *, whole: bool, requests: int) -> dict[str, list[Took]]:
    loop = asyncio.new_event_loop()
    with ExitStack() as stack:
        cases = {name: stack.enter_context(make(bench.directory())) for name, make in makers.items()}
        works = {name: partial(_time, loop, case, requests, whole=whole) for name, case in cases.items()}
        found = interleaved(works, bench.pick(2, 21, 51))
    loop.close()
    return found


def _time(loop: asyncio.AbstractEventLoop, case: Case, requests: int, *, whole: bool) -> Took:
    gc.collect()
    clock: Callable[[], float] = time.process_time if whole else time.thread_time
    cpu, wall = clock(), time.perf_counter()
    loop.run_until_complete(_all(case, requests))
    if whole:
        case.deliver()
    took = Took((clock() - cpu) / requests * 1e6, (time.perf_counter() - wall) / requests * 1e6)
    case.deliver()
    return took


async def _all(case: Case, requests: int) -> None:
    await case.client(case.app, case.request, requests)


def _ratio(added: Added, name: str, to: str) -> float:
    return added[name][0].median / added[to][0].median


def _table(name: str, title: str, added: Added, counts: Mapping[str, float], note: str) -> Table:
    unit = added[_UNIT][0].median
    rows: list[list[Cell]] = []
    for work, (cpu, wall) in added.items():
        count = counts.get(work)
        many = None if count is None else count / counts[_UNIT]
        rows.append([work, cpu, cpu.median / unit, wall, count, many])
    columns = ["work", "CPU µs", "× no-op", "wall µs", "instructions", "× no-op, instructions"]
    if not counts:
        rows, columns = [row[:4] for row in rows], columns[:4]
    return Table(name, title, columns, rows, note, Plot("bars", ["CPU µs"], "µs above the bare application", log=True))
