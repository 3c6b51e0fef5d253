"""What the trail adds to a request in each framework, and what its adapter adds to that."""

import asyncio
import gc
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import Any, Final

from sanic import Sanic

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import ASGIApp
from asgi_audit.delivery import Delivery
from asgi_audit.journal import MemoryJournal
from benchmarks.bench import Bench, interleaved
from benchmarks.frameworks import MAKERS
from benchmarks.results import Cell, Figure, Plot, Results, Table
from benchmarks.traffic import nowhere, post, visit

_VARIANTS: Final[dict[str, Callable[[str, Any, AuditTrail], ASGIApp]]] = {
    "bare": lambda _framework, app, _trail: app,
    "wrapped": lambda _framework, app, trail: AuditMiddleware(app, trail),
    "installed": lambda framework, app, trail: import_module(f"asgi_audit.contrib.{framework}").install(app, trail),
}


def measure(bench: Bench) -> Results:
    """CPU time of the thread that serves. Records go to memory, and from there nowhere."""
    rows: list[list[Cell]] = []
    for framework in MAKERS:
        took = _measure(framework, bench.pick(2, 300), bench.pick(1, 15))
        bare, wrapped, installed = took.values()
        rows.append(
            [
                framework,
                Figure.of(bare),
                Figure.of(each - base for each, base in zip(wrapped, bare, strict=True)),
                Figure.of(each - base for each, base in zip(installed, wrapped, strict=True)),
                Figure.of(each / base for each, base in zip(installed, bare, strict=True)),
            ]
        )
    columns = ["framework", "bare, µs", "middleware adds, µs", "adapter adds, µs", "all × bare"]
    return Results(
        [
            Table(
                "adapters",
                "CPU of a request in each framework",
                columns,
                rows,
                "The smallest application of each; records go to memory.",
                Plot("bars", columns[1:4], "µs"),
            )
        ]
    )


def _measure(framework: str, requests: int, repetitions: int) -> dict[str, list[float]]:
    loop = asyncio.new_event_loop()
    with ExitStack() as stack:
        works = {}
        for name, install in _VARIANTS.items():
            quiet = Delivery(linger=3600.0)  # nothing is delivered meanwhile
            trail = stack.enter_context(AuditTrail(nowhere, journal=MemoryJournal(), delivery=quiet))
            app = loop.run_until_complete(MAKERS[framework]())
            works[name] = partial(_time, loop, install(framework, app, trail), trail, requests)
            if isinstance(app, Sanic):
                loop.run_until_complete(app._startup())  # type: ignore[no-untyped-call]
        took = interleaved(works, repetitions)
    loop.close()
    return took


def _time(loop: asyncio.AbstractEventLoop, app: ASGIApp, trail: AuditTrail, requests: int) -> float:
    gc.collect()
    start = time.thread_time()
    loop.run_until_complete(visit(app, post, requests))
    took = (time.thread_time() - start) / requests * 1e6
    trail.flush(60)
    return took
