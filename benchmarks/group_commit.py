"""How much later a response ends with `fsync="always"`, beside a bare group commit of as many bytes.

`python -m benchmarks.group_commit`. Clients run concurrently in one loop, each with one request after the other. Those
that work for a while arrive one by one; those that don't keep the loop busy, and wait for each other's computing, too.
What is measured is how long the application's last `send` takes to reach the server.
"""

import argparse
import asyncio
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from typing import Final

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.journal import FileJournal
from asgi_audit.journal.frame import INTENT, RECORD, Entry, entries
from benchmarks.cases import audited
from benchmarks.commits import GroupCommit
from benchmarks.table import table
from benchmarks.traffic import BODY, bare, receive, scope, send

_FILE_BYTES: Final = 2**24
_CONCURRENT: Final = (1, 16, 64, 256)


class Working:
    """The bare application after a pause; notes when it ends."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._pause:
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads the load

        async def timed(message: Message) -> None:
            if message is BODY:
                scope["state"]["ended"] = time.perf_counter()
            await send(message)

        await bare(scope, receive, timed)


class Committing:
    """Has as much on the disk as a trail has, by a bare group commit: a line before, and one that is waited for."""

    def __init__(self, app: ASGIApp, commits: GroupCommit, lines: tuple[bytes, bytes]) -> None:
        self._app = app
        self._commits = commits
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def committed(message: Message) -> None:
            if message is BODY:
                await self._commits.commit(self._lines[1])
            await send(message)

        self._commits.write(self._lines[0])
        await self._app(scope, receive, committed)


async def load(app: ASGIApp, concurrent: int, requests: int) -> list[float]:
    """How long the ends of so many requests took, in microseconds."""
    waits: list[float] = []

    async def client(count: int) -> None:
        for _ in range(count):
            request = scope("POST")

            async def ended(message: Message, request: Scope = request) -> None:
                if message is BODY:
                    waits.append((time.perf_counter() - request["state"]["ended"]) * 1e6)
                await send(message)

            await app(request, receive, ended)

    await asyncio.gather(*(client(max(requests // concurrent, 1)) for _ in range(concurrent)))
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1024, help="of a repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--pause", type=float, default=0.05, help="the mean time that a request's own work takes")
    given = parser.parse_args()
    for pause in (0.0, given.pause):
        print(f"\nAdded by waiting for the disk, µs, requests that work for {pause * 1000:g} ms\n")
        print(_compare(pause, given.requests, given.repetitions))


def _compare(pause: float, requests: int, repetitions: int) -> str:
    rows = []
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        place = Path(temporary)
        working = Working(pause)
        journal = FileJournal(place / "journal", fsync="always")
        case = stack.enter_context(audited(place, journal, app=working))
        asyncio.run(load(case.app, 1, 1))
        commits = stack.enter_context(GroupCommit(place / "commits", _FILE_BYTES))
        bare_commit = Committing(working, commits, _lines(journal))
        base: float | None = None
        for concurrent in _CONCURRENT:
            count = max(requests // 16, 4 * concurrent) if pause else requests
            theirs: list[float] = []
            ours: list[float] = []
            for _ in range(repetitions):
                theirs += asyncio.run(load(bare_commit, concurrent, count))
                ours += asyncio.run(load(case.app, concurrent, count))
                case.deliver()
            (their_50, their_99), (our_50, our_99) = _percentiles(theirs), _percentiles(ours)
            base = base or our_50
            rows.append([concurrent, their_50, our_50, our_50 / their_50, our_50 / base, their_99, our_99])
    head = ["concurrent", "bare p50", "p50", "x bare", "x one", "bare p99", "p99"]
    return table(head, rows)


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


if __name__ == "__main__":
    main()
