"""What the published audit packages cost a request, until its record is stored; and ours beside them."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal
from benchmarks.bench import Bench, interleaved
from benchmarks.peers import ON_POSTGRESQL, PEERS, Peer
from benchmarks.results import Cell, Figure, Goal, Plot, Results, Table
from benchmarks.stored import stored
from benchmarks.traffic import NoOp, bare, post, visit

_OURS: Final = "asgi-audit"
_WARM: Final = 1
_NOTHING: Final = ("bare", "no-op")


class Took(NamedTuple):
    """Microseconds per request: until it was answered, in the whole process and in sum; until all was stored."""

    answered: float
    cpu: float
    stored: float


def measure(bench: Bench) -> Results:
    """All take turns. Every request that was answered has to have its row in the end."""
    requests, repetitions = bench.pick(3, 50), bench.pick(2, 15)
    with asyncio.Runner() as runner:
        loop, stack = runner.get_loop(), AsyncExitStack()
        peers = runner.run(_start(bench, stack))
        try:
            took = interleaved(
                {name: partial(_time, loop, peer, requests) for name, peer in peers.items()}, repetitions, warm=_WARM
            )
            rows = {name: runner.run(_rows(peer)) for name, peer in peers.items() if name not in _NOTHING}
        finally:
            runner.run(stack.aclose())
    answered = requests * (repetitions + _WARM)
    missing = {name: answered - count for name, count in rows.items()}
    assert all(missing[name] == 0 for name in missing if name.startswith(_OURS)), missing
    return Results([_table(took, missing)], [_goal(took, on) for on in ("postgresql", "sqlite")])


async def _start(bench: Bench, stack: AsyncExitStack) -> dict[str, Peer]:
    peers = {"bare": _plain(bare), "no-op": _plain(NoOp(bare))}
    for name, start in PEERS.items():
        on, url = ("postgresql", bench.postgres) if name in ON_POSTGRESQL else ("sqlite", bench.sqlite)
        peers[f"{name}, {on}"] = await stack.enter_async_context(start(await asyncio.to_thread(url)))
    for on, url in (("postgresql", bench.postgres), ("sqlite", bench.sqlite)):
        peers[f"{_OURS}, {on}"] = await stack.enter_async_context(_ours(bench, await asyncio.to_thread(url)))
    return peers


def _plain(app: object) -> Peer:
    async def nothing() -> int:
        return 0

    return Peer(app, nothing, nothing)


@asynccontextmanager
async def _ours(bench: Bench, url: str) -> AsyncIterator[Peer]:
    """The middleware as it is by default: the journal in files, delivered as it comes."""
    delivery = Delivery(rejected=bench.directory() / "rejected.jsonl")
    trail = AuditTrail(url, journal=FileJournal(bench.directory() / "journal"), delivery=delivery)
    async with trail:

        async def drain() -> None:
            await trail.aflush(60)

        yield Peer(AuditMiddleware(bare, trail), partial(stored, url), drain)


def _time(loop: asyncio.AbstractEventLoop, peer: Peer, requests: int) -> Took:
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    loop.run_until_complete(visit(peer.app, post, requests))
    answered = time.perf_counter()
    loop.run_until_complete(_wait(peer))
    end = time.perf_counter()
    per = 1e6 / requests
    return Took((answered - wall) * per, (time.process_time() - cpu) * per, (end - wall) * per)


async def _wait(peer: Peer) -> None:
    await peer.drain()


async def _rows(peer: Peer) -> int:
    return await peer.rows()


def _table(took: Mapping[str, Sequence[Took]], missing: Mapping[str, int]) -> Table:
    rows: list[list[Cell]] = []
    for name, times in took.items():
        columns = [Figure.of(column) for column in zip(*times, strict=True)]
        rows.append([name, *columns, missing.get(name)])
    return Table(
        "peers",
        "Audit packages, for one request until its record is stored",
        ["package", "answered, µs", "CPU µs", "stored, µs", "rows missing"],
        rows,
        "One request after the other, by a client that stays until it has the whole answer. CPU is the whole process's;"
        " PostgreSQL's own is not in it. Rows missing: requests that were answered and have no row in the end.",
        Plot("bars", ["answered, µs", "CPU µs", "stored, µs"], "µs per request", log=True),
    )


def _goal(took: Mapping[str, Sequence[Took]], on: str) -> Goal:
    """CPU above bare, beside the cheapest of the others: on any database, for not all of them can do with each."""
    added = {name: Figure.of(each.cpu for each in times).median for name, times in took.items()}
    theirs = min(cpu for name, cpu in added.items() if name not in _NOTHING and not name.startswith(_OURS))
    return Goal(
        f"CPU until it is stored, {on}, against the cheapest other audit package",
        1,
        (added[f"{_OURS}, {on}"] - added["bare"]) / (theirs - added["bare"]),
    )
