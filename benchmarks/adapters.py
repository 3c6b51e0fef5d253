"""What the trail adds to a request in each framework, and what its adapter adds to that.

`python -m benchmarks.adapters`. CPU time of the thread that serves, medians over repetitions in which all take turns;
records go to memory, and from there nowhere.
"""

import argparse
import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from importlib import import_module
from statistics import median
from typing import Any, Final

from sanic import Sanic

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import ASGIApp, Message
from asgi_audit.delivery import Delivery
from asgi_audit.journal import MemoryJournal
from benchmarks.cases import nowhere
from benchmarks.frameworks import MAKERS
from benchmarks.table import table
from benchmarks.traffic import scope

_VARIANTS: Final[dict[str, Callable[[str, Any, AuditTrail], ASGIApp]]] = {
    "bare": lambda _framework, app, _trail: app,
    "wrapped": lambda _framework, app, trail: AuditMiddleware(app, trail),
    "installed": lambda framework, app, trail: import_module(f"asgi_audit.contrib.{framework}").install(app, trail),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300, help="of a repetition")
    parser.add_argument("--repetitions", type=int, default=21)
    given = parser.parse_args()
    rows = []
    for framework in MAKERS:
        took = _measure(framework, given.requests, given.repetitions)
        wrapped, installed = took["wrapped"] - took["bare"], took["installed"] - took["bare"]
        rows.append([framework, took["bare"], wrapped, installed, installed - wrapped, 1 + installed / took["bare"]])
    print("\nCPU µs per request\n")
    print(table(["framework", "bare", "middleware adds", "installed adds", "adapter", "x bare"], rows))


def _measure(framework: str, requests: int, repetitions: int) -> dict[str, float]:
    took: dict[str, list[float]] = defaultdict(list)
    loop = asyncio.new_event_loop()
    with ExitStack() as stack:
        served = {}
        for name, install in _VARIANTS.items():
            quiet = Delivery(linger=3600.0)  # nothing is delivered meanwhile
            trail = stack.enter_context(AuditTrail(nowhere, journal=MemoryJournal(), delivery=quiet))
            app = loop.run_until_complete(MAKERS[framework]())
            served[name] = install(framework, app, trail), trail
            if isinstance(app, Sanic):
                loop.run_until_complete(app._startup())  # type: ignore[no-untyped-call]
        for number in range(-2, repetitions):  # the first ones warm up
            for name, (app, trail) in served.items():
                gc.collect()
                start = time.thread_time()
                loop.run_until_complete(_serve(app, requests))
                if number >= 0:
                    took[name].append((time.thread_time() - start) / requests * 1e6)
                trail.flush(60)
    loop.close()
    return {name: median(each) for name, each in took.items()}


async def _serve(app: ASGIApp, requests: int) -> None:
    """So many requests, one after the other. The client stays until it has the whole answer."""
    for _ in range(requests):
        await _ask(app)


async def _ask(app: ASGIApp) -> None:
    answered = asyncio.Event()
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await answered.wait()
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app({**scope("POST"), "path": "/orders/7", "raw_path": b"/orders/7"}, receive, send)
    assert answered.is_set()


if __name__ == "__main__":
    main()
