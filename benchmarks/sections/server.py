"""What the trail costs a real server: uvicorn on loopback, driven by wrk.

All servers stay up, and are loaded one after the other, in rounds: what is compared is of one round. Between two loads
everything is delivered, so that none pays for another's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Final, NamedTuple

from benchmarks.bench import Bench, interleaved
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stored import stored
from benchmarks.uvicorn import Load, Server

_BARE: Final = "bare"
_CONTROL: Final = "bare again"
_SQLITE: Final = "SQLite"
_POSTGRESQL: Final = "PostgreSQL"
_HUNG: Final = "hung sink"
_DEAD: Final = "dead sink"


class Variant(NamedTuple):
    """An application, what records it, and by how many processes it is served."""

    app: str
    what: str
    workers: int = 1

    def __str__(self) -> str:
        return f"{self.app}, {self.what}" + (f", {self.workers} workers" if self.workers > 1 else "")


_WHATS: Final = (_BARE, _CONTROL, "memory journal", _HUNG, _DEAD, _POSTGRESQL, _SQLITE)
_VARIANTS: Final = (
    *(Variant(app, what) for app in ("raw", "FastAPI") for what in _WHATS),
    *(Variant("FastAPI", what, 2) for what in (_BARE, _CONTROL, _SQLITE)),
)


def measure(bench: Bench) -> Results:
    """Every request that was answered has its row in the end."""
    wanted = bench.pick([Variant("raw", what) for what in (_BARE, _CONTROL, _SQLITE)], list(_VARIANTS))
    seconds, rounds = bench.pick(1, 1, 3), bench.pick(1, 5, 21)
    with ExitStack() as stack:
        servers = {each: stack.enter_context(_start(bench, each)) for each in wanted}
        for server in servers.values():
            server.wait()
        loads = interleaved(
            {str(each): partial(server.load, seconds) for each, server in servers.items()}, rounds, warm=1
        )
        for each, server in servers.items():
            if each.what in (_SQLITE, _POSTGRESQL):
                rows = asyncio.run(stored(server.sink))
                assert server.answered <= rows <= server.answered + server.unanswered, (each, rows, server.answered)
    return Results([_table(wanted, loads)], bench.pick([], _goals(loads) if len(wanted) > len(_WHATS) else []))


def _start(bench: Bench, each: Variant) -> Server:
    sinks = {_BARE: "none", _CONTROL: "none", _HUNG: "hung", _DEAD: "dead", "memory journal": "memory"}
    stores = {_SQLITE: bench.sqlite, _POSTGRESQL: bench.postgres}
    sink = sinks[each.what] if each.what in sinks else stores[each.what]()
    return Server(each.app.lower(), sink, bench.directory(), each.workers)


def _table(wanted: Sequence[Variant], loads: Mapping[str, Sequence[Load]]) -> Table:
    rows: list[list[Cell]] = []
    for each in wanted:
        mine, bare = loads[str(each)], loads[str(each._replace(what=_BARE))]
        rows.append(
            [
                str(each),
                Figure.of(load.rate for load in mine),
                _times_bare(mine, bare, "rate"),
                Figure.of(load.p50 for load in mine),
                Figure.of(load.p99 for load in mine),
                _times_bare(mine, bare, "p99"),
                Figure.of(load.cpu for load in mine),
                _times_bare(mine, bare, "cpu"),
            ]
        )
    columns = ["served", "requests/s", "× bare", "p50 µs", "p99 µs", "p99 × bare", "CPU µs", "CPU × bare"]
    return Table(
        "server",
        "uvicorn with uvloop and httptools, POST with a JSON body, 16 connections",
        columns,
        rows,
        "“× bare” compares loads of one round; “bare again” is the control: it differs from the bare one in nothing."
        " The load generator runs on the same machine. CPU is that of the server's processes, with the delivery.",
        Plot("bars", ["× bare", "CPU × bare"], "× bare"),
    )


def _times_bare(mine: Sequence[Load], bare: Sequence[Load], column: str) -> Figure:
    return Figure.of(getattr(one, column) / getattr(other, column) for one, other in zip(mine, bare, strict=True))


def _goals(loads: Mapping[str, Sequence[Load]]) -> list[Goal]:
    def ratio(app: str, what: str, column: str, to: str = _BARE) -> float:
        return _times_bare(loads[f"{app}, {what}"], loads[f"{app}, {to}"], column).median

    sick = [
        Goal(f"FastAPI, {what}: requests/s against a healthy one", 1, ratio("FastAPI", what, "rate", _SQLITE), False)
        for what in (_HUNG, _DEAD)
    ]
    return [
        Goal("FastAPI on uvicorn, SQLite: requests/s × bare", 0.95, ratio("FastAPI", _SQLITE, "rate"), at_most=False),
        Goal("FastAPI on uvicorn, SQLite: p99 × bare", 1.15, ratio("FastAPI", _SQLITE, "p99")),
        *sick,
        Goal("raw on uvicorn, file journal alone: CPU × bare", 1.25, ratio("raw", _HUNG, "cpu")),
        Goal("raw on uvicorn, PostgreSQL: CPU × bare", 1.5, ratio("raw", _POSTGRESQL, "cpu")),
        Goal("raw on uvicorn, SQLite: CPU × bare", 1.65, ratio("raw", _SQLITE, "cpu")),
    ]
