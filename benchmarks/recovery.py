"""How long it takes to make up for a process that was killed."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from asgi_audit import AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal
from asgi_audit.record import Record
from benchmarks.bench import Bench
from benchmarks.child import in_child
from benchmarks.results import Cell, Table
from benchmarks.stock import Stock

_PATIENCE: Final = 600.0


def recovery(bench: Bench) -> Table:
    """A process dies with half of its requests running; how long until the next has it all delivered."""
    rows: list[list[Cell]] = []
    for count in bench.pick([2000], [10_000, 100_000], [10_000, 100_000, 1_000_000]):
        place = bench.directory()
        in_child(die, place, count, ends_with=-signal.SIGKILL)
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


def die(place: str, entries: str) -> None:
    """Write entries, and be killed."""
    home, journal, count = Path(place), _journal(Path(place)), int(entries)
    trail = AuditTrail(_Counter(), journal=journal, delivery=_delivery(home, 3600.0))
    trail.open()
    for batch in Stock(count).batches(count // 2, 100):
        for number, record in enumerate(batch):
            journal.intend(record)
            journal.append(Stock(1).take(1)[0] if number % 2 else record, None if number % 2 else record.id)
    os.kill(os.getpid(), signal.SIGKILL)


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
