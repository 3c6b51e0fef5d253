"""What an honest log must hold, in plain Python."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.record import APPLICATION_KINDS, Kind, Record
from asgi_audit.store import first_id
from tests.sealed.anchor import Taken

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Kinds of records that the programs of operators write, none of which is ever purged.
OWN = (Kind.ERASE, Kind.LOSS, Kind.PURGE)


@dataclass
class Ledger:
    """Rows and leaves, told of whatever is done to the database."""

    sink: str
    rows: dict[str, Record] = field(default_factory=dict)
    lacking: dict[str, set[str]] = field(default_factory=dict)  # erased parts of the rows
    purged: dict[str, Record] = field(default_factory=dict)  # at some time; some have come again
    leaves: list[str] = field(default_factory=list)
    signed: int = 0

    def copy(self) -> "Ledger":
        """As it is now."""
        lacking = {id_: set(parts) for id_, parts in self.lacking.items()}
        return Ledger(self.sink, copy(self.rows), lacking, copy(self.purged), copy(self.leaves), self.signed)

    @property
    def unsealed(self) -> set[str]:
        """Rows without a leaf."""
        return self.rows.keys() - set(self.leaves)

    @property
    def missing(self) -> list[Record]:
        """Records that were purged and have not come again."""
        return [record for id_, record in self.purged.items() if id_ not in self.rows]

    def continues(self, taken: Taken) -> bool:
        """Whether the tree has grown from that of a checkpoint; after a restart it may not, or come to it again."""
        return taken.ids == self.leaves[: taken.size]

    def store(self, records: Iterable[Record]) -> None:
        """What is there stays as it is."""
        for record in records:
            if record.id not in self.rows:
                self.rows[record.id] = record
                self.lacking[record.id] = set()

    def erase(self, ids: Sequence[str], parts: Iterable[str]) -> int:
        """How many had any of it left."""
        found = [id_ for id_ in ids if self.rows[id_].kind in APPLICATION_KINDS and not self.lacking[id_] >= set(parts)]
        for id_ in found:
            self.lacking[id_] |= set(parts)
        return len(found)

    def purge(self, before: datetime, anchored: int) -> int:
        """How many went."""
        bound = first_id((before - _EPOCH) // timedelta(microseconds=1))
        old = [id_ for id_ in self.leaves[:anchored] if id_ in self.rows and id_ < bound]
        doomed = [id_ for id_ in old if self.rows[id_].kind not in OWN]
        for id_ in doomed:
            self.purged[id_] = self.rows.pop(id_)
            del self.lacking[id_]
        return len(doomed)

    def pending(self) -> int:
        """Records that are missing, of which nothing in the database tells yet."""
        seen = self._seen()
        ends: dict[str, int] = defaultdict(int)
        declared: Counter[str] = Counter()
        for record in self.rows.values():
            data, writer = record.data or {}, record.writer or ""
            if record.kind is Kind.CLOSE:
                writer = data.get("writer", writer)
                ends[writer] = max(ends[writer], data["records"])
            elif record.kind is Kind.LOSS and (data.get("sink") == self.sink or "writer" in data):
                declared[data.get("writer", writer)] += self._lost(record)
        gaps = {writer: max(max(seqs) + 1, ends[writer]) - len(seqs) for writer, seqs in seen.items()}
        return sum(max(0, gap - declared[writer]) for writer, gap in gaps.items())

    def agree(self, report: Report, anchor: Sequence[Taken], *, keyed: bool) -> None:
        """Hold a report against all this."""
        known = [each for each in anchor if each.signed or not keyed]
        continued = [each.size for each in known if self.continues(each)]
        anchored = max(continued, default=None)
        lost = sum(map(self._lost, self.rows.values()))
        verdict = Verdict.DECLARED_LOSS if lost or len(continued) < len(known) else Verdict.PASS
        if anchored is None or anchored < self.signed:
            verdict = Verdict.UNANCHORED
        expected: dict[str, object] = {
            "findings": [],
            "finding_counts": {},
            "verdict": verdict,
            "anchored": anchored,
            "sealed": len(self.leaves),
            "unsealed": len(self.unsealed),
            "erased": {part: sum(part in parts for parts in self.lacking.values()) for part in PARTS},
            "purged": len(set(self.leaves) - self.rows.keys()),
            "lost": lost,
            "pending": self.pending(),
            "writers": len(self._seen()),
        }
        said = {name: getattr(report, name) for name in expected}
        assert said == expected, f"{said} instead of {expected}"
        assert not [each for each in report.writer_reports if each.missing or each.verdict is Verdict.TAMPERED]

    def _seen(self) -> dict[str, set[int]]:
        seen: dict[str, set[int]] = defaultdict(set)
        for record in [*self.rows.values(), *self.purged.values()]:
            seen[record.writer or ""].add(record.seq or 0)
        return seen

    def _lost(self, record: Record) -> int:
        data = record.data or {}
        if record.kind is not Kind.LOSS or data.get("sink", self.sink) != self.sink:
            return 0
        return int(data["records"] or bool(data.get("entries")))
