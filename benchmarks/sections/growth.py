"""What grows with what waits, and what does not grow with what has passed. Each in a process of its own."""

import asyncio
import gc
import json
import os
import resource
import threading
import time
from pathlib import Path
from typing import Final

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal, Journal, MemoryJournal
from benchmarks.bench import Bench
from benchmarks.child import in_child
from benchmarks.results import Cell, Goal, Plot, Results, Table
from benchmarks.stored import stored
from benchmarks.traffic import bare, hung, post, serve

_PATIENCE: Final = 600.0
_PAGE: Final = resource.getpagesize()


def measure(bench: Bench) -> Results:
    """Memory that pending records take; then a soak."""
    pending = bench.pick(2000, 40_000)
    waiting = {kind: in_child(wait, kind, bench.directory(), pending) for kind in ("memory", "file")}
    rounds, requests = bench.pick((4, 200), (12, 20_000), (40, 500_000))
    url = bench.sqlite()
    looks = in_child(soak, url, bench.directory(), rounds, requests)
    found = asyncio.run(stored(url))
    assert found == rounds * requests, (found, rounds * requests)
    rows: list[list[Cell]] = [[f"{look['requests']}", *list(look.values())[1:]] for look in looks]
    settled, last = looks[rounds // 4 - 1]["RSS, MB"], looks[-1]["RSS, MB"]
    return Results(
        [
            Table(
                "pending",
                f"Memory for each record that waits, between {pending // 2:,} and {pending:,}",
                ["journal", "bytes"],
                [[kind, found["bytes"]] for kind, found in waiting.items()],
                "How much the process has grown, divided by how many records more wait.",
            ),
            Table(
                "soak",
                "A soak: requests as fast as they go, all delivered to SQLite after each round",
                ["requests", *list(looks[0])[1:]],
                rows,
                "Every request that was answered has its row in the end.",
                Plot("lines", ["RSS, MB"], "MB"),
            ),
        ],
        [
            Goal("RAM per pending record, memory journal, bytes", 800, waiting["memory"]["bytes"]),
            Goal("RAM per pending record, file journal, bytes", 8, waiting["file"]["bytes"]),
            Goal("RSS at the end of the soak against a quarter through it", 1.1, last / settled),
        ],
    )


def wait(kind: str, place: str, count: str) -> None:
    """Let records wait, and print what each takes."""
    files = FileJournal(Path(place) / "journal", max_bytes=2**34)
    journal: Journal = MemoryJournal(max_bytes=2**32) if kind == "memory" else files
    trail = AuditTrail(hung, journal=journal, delivery=Delivery(rejected=f"{place}/rejected"))
    app, half = AuditMiddleware(bare, trail), int(count) // 2
    sizes = []
    for _ in range(2):
        asyncio.run(serve(app, post, half))
        journal.sync()  # until then, entries are in memory too
        (lane,) = trail.stats().sinks
        sizes.append((_resident(), lane.pending))
    (before, few), (after, many) = sizes
    assert many - few == half, sizes
    print(json.dumps({"bytes": round((after - before) / half)}), flush=True)
    os._exit(0)


def soak(url: str, place: str, rounds: str, requests: str) -> None:
    """Serve, deliver, look; again and again."""
    home, found = Path(place), []
    trail = AuditTrail(url, journal=FileJournal(home / "journal"), delivery=Delivery(rejected=home / "rejected"))
    with trail:
        app = AuditMiddleware(bare, trail)
        for number in range(1, int(rounds) + 1):
            start = time.perf_counter()
            asyncio.run(serve(app, post, int(requests)))
            served = time.perf_counter() - start
            trail.flush(_PATIENCE)
            found.append(
                {
                    "requests": number * int(requests),
                    "RSS, MB": _resident() / 1e6,
                    "threads": threading.active_count(),
                    "descriptors": len(list(Path("/proc/self/fd").iterdir())),
                    "journal, MB": sum(each.stat().st_size for each in home.glob("journal/*/*.seg")) / 1e6,
                    "served, requests/s": round(int(requests) / served),
                    "delivered, requests/s": round(int(requests) / (time.perf_counter() - start)),
                }
            )
        (lane,) = trail.stats().sinks
        assert (lane.lost, lane.pending) == (0, 0), lane
    print(json.dumps(found))


def _resident() -> int:
    """Bytes of memory that this process has now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
