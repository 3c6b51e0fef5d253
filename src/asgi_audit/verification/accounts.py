"""Whether every writer's records are all there: `seq` counts them without gaps, so a gap must have been declared.

Rule 1: a gap counts once it can't be filled any more: its writer has ended, and nothing of it stands behind its end,
        or an hour has passed since what stands behind the gap was sealed; of what was purged, since the purge was.
        Before that it is pending: what is missing may still be on its way.
Rule 2: what a writer has lost, its loss records declare by number, not by name. As many may be missing, and no more.
Rule 3: a purge tells of as many records as it names leaves; of one that tells of more, nothing counts.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from asgi_audit.record import Kind, Record
from asgi_audit.verification.scratch import Scratch

_LARGEST: Final = 2**62
_LONGEST_WRITER: Final = 32
_SETTLED: Final = 3_600_000_000  # microseconds
_MOST_OPEN: Final = 10_000  # runs in memory


class Account(NamedTuple):
    """One writer's. `gap` is its first one, if any is without a word, `twice` the first `seq` of two."""

    writer: str
    records: int
    lost: int
    missing: int
    pending: int
    gap: tuple[int, int] | None
    twice: int | None


class Accounts:
    """Takes records in any order; works in bounded memory if each writer's come in about theirs.

    `scheme` is that of the sink's name: losses that were declared for a sink of another kind are none here.
    """

    def __init__(self, scratch: Scratch, scheme: str) -> None:
        self.lost = 0  # of all writers, as declared
        self._scratch = scratch
        self._scheme = scheme
        self._open: dict[str, list[int]] = {}  # low, high, since

    def add(self, record: Record, since: int) -> None:
        """A record is there, and sealed since then (microseconds)."""
        writer, seq = record.writer or "", record.seq or 0
        run = self._open.get(writer)
        if run is not None and run[1] + 1 == seq:
            run[1] = seq
        else:
            if run is not None:
                self._scratch.add("runs", writer, *run, 0)
            self._open[writer] = [seq, seq, since]
            if len(self._open) > _MOST_OPEN:
                self._flush()

    def declare(self, record: Record, since: int) -> None:
        """A record says something about what is missing, if it is one of the trail's own; since as for `add`."""
        writer, data = record.writer or "", record.data or {}
        if record.kind is Kind.LOSS:
            self._lose(writer, data)
        elif record.kind is Kind.CLOSE:
            self._scratch.add("ends", _text(data.get("writer")) or writer, _number(data.get("records")))
        elif record.kind is Kind.PURGE:
            self._purge(data, since)

    def finish(self, now: int) -> Iterator[Account]:
        """Every writer's account."""
        self._flush()
        self._scratch.run("CREATE INDEX told ON allowances (writer); CREATE INDEX ended ON ends (writer)")
        rows = self._scratch.ask("SELECT writer, low, high, since, purged FROM runs ORDER BY writer, low, high")
        writer: str | None = None
        tally: _Tally | None = None
        for name, low, high, since, purged in rows:
            if tally is None or name != writer:
                if tally is not None:
                    yield tally.account()
                writer, tally = name, self._tally(name, now)
            tally.run(low, high, since, bool(purged))
        if tally is not None:
            yield tally.account()

    def _tally(self, writer: str, now: int) -> "_Tally":
        allowance = self._scratch.count("SELECT total(records) FROM allowances WHERE writer = ?", writer)
        ends = next(self._scratch.ask("SELECT max(records) FROM ends WHERE writer = ?", writer))[0]
        return _Tally(writer, allowance, ends, now)

    def _lose(self, writer: str, data: dict[str, Any]) -> None:
        sink = _text(data.get("sink"))
        if sink is not None and sink.partition(":")[0] != self._scheme:
            return
        records = _number(data.get("records")) or (1 if _number(data.get("entries")) else 0)
        self.lost = min(self.lost + records, _LARGEST)
        dead = _text(data.get("writer"))
        if dead is not None or sink is not None:  # else they never had a number
            self._scratch.add("allowances", dead or writer, records)

    def _purge(self, data: dict[str, Any], since: int) -> None:
        writers = data.get("writers")
        told = [
            (writer, low, high, since, 1)
            for writer, runs in (writers if isinstance(writers, dict) else {}).items()
            if len(writer) <= _LONGEST_WRITER
            for low, high in _stretches(runs)
        ]
        if sum(high - low + 1 for _, low, high, *_ in told) <= sum(
            last - first + 1 for first, last in _stretches(data.get("ranges"))
        ):
            self._scratch.add_all("runs", told, 5)

    def _flush(self) -> None:
        self._scratch.add_all("runs", ((writer, *run, 0) for writer, run in self._open.items()), 5)
        self._open.clear()


class _Tally:
    """Goes along one writer's runs."""

    def __init__(self, writer: str, allowance: int, end: int | None, now: int) -> None:
        self._writer = writer
        self._allowance = allowance
        self._end = end
        self._now = now
        self._records = self._settled = self._open = 0
        self._next = self._stored = 0  # the seq behind all runs, and behind those that are stored
        self._gap: tuple[int, int] | None = None
        self._twice: int | None = None

    def run(self, low: int, high: int, since: int, purged: bool) -> None:
        if low > self._next:
            self._miss(self._next, low - 1, settled=self._now - since > _SETTLED)
        if not purged:  # what was purged may have come again
            if low < self._stored and self._twice is None:
                self._twice = low
            self._stored = max(self._stored, high + 1)
            self._records += high - low + 1
        self._next = max(self._next, high + 1)

    def account(self) -> Account:
        if self._end is not None and self._next <= self._end + 1:  # what it said of its end is its last word
            self._miss(self._next, max(self._next, self._end) - 1, settled=True)
            self._settled, self._open = self._settled + self._open, 0
        lost = min(self._allowance, self._settled + self._open)
        missing = max(0, self._settled - lost)
        pending = max(0, self._open - max(0, lost - self._settled))
        return Account(self._writer, self._records, lost, missing, pending, self._gap if missing else None, self._twice)

    def _miss(self, low: int, high: int, *, settled: bool) -> None:
        if low <= high:
            self._gap = self._gap or (low, high)
        if settled:
            self._settled += high - low + 1
        else:
            self._open += high - low + 1


def _number(value: object) -> int:
    """A count that a record says; what is none is 0."""
    return min(value, _LARGEST) if type(value) is int and value > 0 else 0


def _stretches(value: object) -> Iterator[tuple[int, int]]:
    """The beginnings and ends that a list of lists begins with."""
    for each in value if isinstance(value, list) else ():
        if isinstance(each, list) and len(each) >= 2:
            first, last = each[:2]
            if type(first) is int and type(last) is int and 0 <= first <= last < _LARGEST:
                yield first, last


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
