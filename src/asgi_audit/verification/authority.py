"""What may be missing: what an erasure has named, and a purge.

Records of both are looked at beforehand, for they stand behind what they speak of. They count only if they turn out to
be sound records of this log.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, Final

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.report import Findings
from asgi_audit.record import Kind, Record
from asgi_audit.verification.scratch import Scratch

_MOST_ACTIVE: Final = 100  # ranges that overlap
_LONGEST_ID: Final = 36
_NOWHERE: Final = (2**62, 2**62)  # behind all leaves
_COVERED: Final = "SELECT r.first, r.last FROM ranges r JOIN sound s ON s.id = r.id ORDER BY r.first"


class _Range:
    """One stretch of leaves that a purge names, and the digest of their records' ids."""

    def __init__(self, first: int, last: int, digest: str, authority: str) -> None:
        self.first = first
        self.last = last
        self.digest = digest
        self.authority = authority
        self.ids = sha256()


class Authority:
    """Told of each leaf in its order, it says in the end what was removed by nobody who says so."""

    def __init__(self, scratch: Scratch, findings: Findings) -> None:
        self.erased = dict.fromkeys(PARTS, 0)
        self.purged = 0
        self._scratch = scratch
        self._findings = findings
        self._ranges: Iterator[_Range] = iter(())
        self._next: _Range | None = None
        self._active: list[_Range] = []
        self._size = 0  # how many leaves there were so far
        self._gone: list[int] | None = None  # the stretch of leaves without a row that is going on

    def announce(self, record: Record) -> None:
        """A row that says it is a record of an erasure or a purge."""
        data = record.data or {}
        if record.kind is Kind.ERASE:
            given = _list(data.get("parts"))
            parts = [part for part in PARTS if part in given]
            ids = (id_ for id_ in _list(data.get("records")) if isinstance(id_, str))
            self._scratch.add_all("allowed", ((id_, part, record.id) for id_ in ids for part in parts), 3)
        elif record.kind is Kind.PURGE:
            for each in _list(data.get("ranges")):
                if _is_range(each):
                    self._scratch.add("ranges", *each, record.id)

    def begin(self) -> None:
        """All were announced."""
        rows = self._scratch.ask("SELECT first, last, digest, id FROM ranges ORDER BY first, last")
        self._ranges = (_Range(*row) for row in rows)
        self._next = next(self._ranges, None)

    def confirm(self, record: Record) -> None:
        """A record of an erasure or a purge is sound, and has been announced; that it names something is seen here."""
        data = record.data or {}
        if record.kind is Kind.ERASE:
            named = _are(_is_text, data.get("records")) and _are(PARTS.__contains__, data.get("parts"))
        else:
            named = _are(_is_range, data.get("ranges"))
        if named:
            self._scratch.add("sound", record.id)
        else:
            kind = "erasure" if record.kind is Kind.ERASE else "purge"
            what = f"the record of the {kind} does not say in its form what is gone"
            self._findings.add(kind, what, record=record.id, writer=record.writer)

    def leaf(self, index: int, record_id: object, *, present: bool) -> None:
        """The next leaf, and whether its row is there."""
        while self._next is not None and self._next.first <= index:
            if len(self._active) < _MOST_ACTIVE:
                self._active.append(self._next)
            else:
                what = f"more than {_MOST_ACTIVE} purges name the leaf {index}"
                self._findings.add("purge", what, index=index, record=self._next.authority)
            self._next = next(self._ranges, None)
        self._size = index + 1
        # What is no id is in no digest either.
        line = f"{record_id}\n".encode() if _is_id(record_id) else b"\n"
        for each in self._active:
            each.ids.update(line)
            if each.last == index and each.ids.hexdigest() != each.digest:
                self._findings.add(
                    "purge",
                    f"the ids of the leaves {each.first} to {each.last} are not those that were purged",
                    record=each.authority,
                )
        self._active = [each for each in self._active if each.last > index]
        if present:
            self._close()
        elif self._gone is None:
            self._gone = [index, index]
        else:
            self._gone[1] = index

    def erasure(self, record: Record, parts: tuple[str, ...], index: int | None) -> None:
        """Parts of a record are gone."""
        for part in parts:
            self.erased[part] += 1
            self._scratch.add("erased", record.id, part, index, record.writer)

    def finish(self, *, whole: bool) -> None:
        """Say what was removed without authority; `whole` if all leaves have come."""
        self._close()
        beyond = "SELECT DISTINCT r.id FROM ranges r JOIN sound s ON s.id = r.id WHERE r.last >= ?"
        for (authority,) in self._scratch.ask(beyond, self._size) if whole else ():
            self._findings.add("purge", "the purge names leaves that there never were", record=authority)
        unlawful = self._scratch.ask(
            "SELECT record, part, idx, writer FROM erased e WHERE NOT EXISTS (SELECT 1 FROM allowed a JOIN sound s"
            " ON s.id = a.id WHERE a.record = e.record AND a.part = e.part)"
        )
        for record, part, index, writer in unlawful:
            what = f"the part {part} was erased, and no sound record of an erasure says so"
            self._findings.add("erasure", what, index=index, record=record, writer=writer)
        self._judge()

    def _judge(self) -> None:
        """Of the stretches that are gone, find what no purge has named; both come in their order."""
        covered = _joined(self._scratch.ask(_COVERED))
        begin, end = next(covered, _NOWHERE)
        for first, last in self._scratch.ask("SELECT first, last FROM absent ORDER BY first"):
            at = first
            while at <= last:
                if end < at:
                    begin, end = next(covered, _NOWHERE)
                elif begin > at:
                    self._removed(at, min(begin - 1, last))
                    at = begin
                else:
                    self.purged += min(end, last) - at + 1
                    at = end + 1

    def _removed(self, first: int, last: int) -> None:
        where = (
            f"the record at index {first} was" if first == last else f"the records from index {first} to {last} were"
        )
        self._findings.add("removed", f"{where} removed, and no sound record of a purge says so", index=first)

    def _close(self) -> None:
        if self._gone is not None:
            self._scratch.add("absent", *self._gone)
            self._gone = None


def _joined(ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges that neither overlap nor touch, from some that come in the order of their beginnings."""
    begin, end = next(ranges, _NOWHERE)
    for first, last in ranges:
        if first <= end + 1:
            end = max(end, last)
        else:
            yield begin, end
            begin, end = first, last
    yield begin, end


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and len(value) <= _LONGEST_ID


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are(rule: Callable[[Any], bool], value: object) -> bool:
    """Whether it is a list of such things, and has any."""
    return isinstance(value, list) and bool(value) and all(map(rule, value))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_range(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[2], str):
        return False
    first, last = value[:2]
    return type(first) is int and type(last) is int and 0 <= first <= last < _NOWHERE[0]
