"""The checkpoints that a log's tree is held against: the database's own, and those that anchors have kept."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import BadSignature, MalformedNote, Note, Verifier, verified
from asgi_audit.integrity.report import Findings
from asgi_audit.record import Record
from asgi_audit.verification.evidence import Stored
from asgi_audit.verification.scratch import Scratch

_DATABASE: Final = "the database"
_MOST_ORIGINS: Final = 10_000
_ALL: Final = "SELECT size, origin, root, source, anchored, time FROM expected e"
_GOOD: Final = "EXISTS (SELECT 1 FROM good g WHERE g.size = e.size AND g.root = e.root)"


class _Restart(NamedTuple):
    before: list[str]
    after: str
    size: int


class Heads:
    """Takes checkpoints, then is told the tree's root whenever it has as many leaves as one of them.

    With keys, an anchor's word counts only if one of them has signed it.
    """

    def __init__(self, scratch: Scratch, keys: Sequence[Verifier], findings: Findings) -> None:
        self.notes: list[str] = []
        self._scratch = scratch
        self._keys = keys
        self._findings = findings
        self._newest = (-1, False)  # the largest size, and whether a given key has signed it
        self._restarts: list[_Restart] = []
        self._expected: Iterator[tuple[Any, ...]] = iter(())
        self._next: tuple[Any, ...] | None = None
        self.time: int | None = None  # when the leaves at hand were signed

    def stored(self, stored: Stored) -> None:
        """Take one of the database's, the smallest tree first."""
        index = stored.size if isinstance(stored.size, int) else None
        try:
            checkpoint, signed = self._parse(stored.note)
        except (MalformedNote, BadSignature) as error:
            kind = "signature" if isinstance(error, BadSignature) else "checkpoint"
            self._findings.add(kind, f"a checkpoint of the database: {error}", index=index)
            return
        if checkpoint.size != stored.size:
            self._findings.add(
                "checkpoint", f"a checkpoint of {checkpoint.size} records is kept as one of {stored.size!r}"
            )
        if checkpoint.size > self._newest[0]:
            self._newest = (checkpoint.size, signed)
        elif checkpoint.size == self._newest[0]:
            self._newest = (checkpoint.size, signed or self._newest[1])
        self._add(checkpoint, _DATABASE, False, stored.time)

    def anchored(self, note: str, anchor: str) -> bool:
        """Take one that an anchor has kept; whether it counts."""
        try:
            checkpoint, signed = self._parse(note)
        except BadSignature as error:
            self._findings.add("signature", f"a checkpoint in {anchor}: {error}")
            return False
        except MalformedNote:
            return False
        if self._keys and not signed:
            return False
        self._add(checkpoint, anchor, True, None)
        return True

    def begin(self, log: str | None) -> str | None:
        """All are here. Leave aside what anchors know of other logs; return the log's name.

        It is the one that was asked for, else that of the database's checkpoints, else that of the keys.
        """
        own = [row[0] for row in self._origins(anchored=0)]
        names = [log] if log is not None else own or [key.name for key in self._keys]
        foreign = [row[0] for row in self._origins(anchored=1) if names and not _related(row[0], names)]
        for origin in foreign:
            self._scratch.ask("DELETE FROM expected WHERE anchored = 1 AND origin = ?", origin)
        if foreign and not any(self._origins(anchored=1)):
            here = ", ".join(names)
            self._findings.add("anchor", f"the anchors know {', '.join(foreign)}, and not the log {here}")
        if self._keys and self._newest[0] >= 0 and not self._newest[1]:
            self._findings.add("signature", "the newest checkpoint is signed by none of the given keys")
        self._expected = self._scratch.ask(f"{_ALL} ORDER BY size, anchored")
        self._next = next(self._expected, None)
        return names[0] if names else next((row[0] for row in self._origins(anchored=1)), None)

    @property
    def largest(self) -> int:
        """How many records the largest checkpoint is of."""
        return self._scratch.count("SELECT max(size) FROM expected")

    def reached(self, size: int, root: Callable[[], bytes]) -> None:
        """The tree has so many leaves now."""
        while self._next is not None and self._next[0] <= size:
            if self._next[0] == size and self._next[2] == root():
                self._scratch.add("good", size, self._next[2])
            self._next = next(self._expected, None)
            self.time = None if self._next is None else self._next[5] or self.time

    def restarted(self, record: Record) -> None:
        """A sound loss record, which may say that the log was begun anew."""
        said = (record.data or {}).get("restart")
        if isinstance(said, dict) and isinstance(said.get("size"), int) and len(self._restarts) < _MOST_ORIGINS:
            before = [each for each in said.get("from") or [] if isinstance(each, str)]
            self._restarts.append(_Restart(before, str(said.get("to")), said["size"]))

    def finish(self, size: int, newest: Sequence[str]) -> tuple[int | None, int]:
        """Say what the tree contradicts. `newest` is what the anchors know by now.

        Returns how many records are anchored, None for none, and how many are signed.
        """
        for expected in self._scratch.ask(f"{_ALL} WHERE NOT {_GOOD} ORDER BY size"):
            if not self._excused(expected[1], expected[0]):
                self._contradicted(expected, size)
        lacking = self._scratch.ask(
            f"{_ALL} WHERE anchored = 1 AND {_GOOD} AND NOT EXISTS"  # noqa: S608 - our own words
            " (SELECT 1 FROM expected d WHERE d.anchored = 0 AND d.size = e.size AND d.root = e.root)"
        )
        for expected in lacking:
            if not self._excused(expected[1], expected[0]):
                what = f"{expected[3]} has a checkpoint of {expected[0]} records that the database lacks"
                self._findings.add("checkpoint", what, index=expected[0])
        for note in newest:
            self._confirm(note)
        largest = f"SELECT max(size) FROM expected e WHERE anchored = ? AND {_GOOD}"  # noqa: S608 - our own words
        return next(self._scratch.ask(largest, 1))[0], self._scratch.count(largest, 0)

    def _confirm(self, note: str) -> None:
        """An anchor has been told of the newest checkpoint meanwhile."""
        try:
            checkpoint, signed = self._parse(note)
        except (MalformedNote, BadSignature):
            return
        if signed or not self._keys:
            known = f"SELECT count(*) FROM expected e WHERE size = ? AND origin = ? AND root = ? AND {_GOOD}"  # noqa: S608
            if self._scratch.count(known, checkpoint.size, checkpoint.origin, checkpoint.root):
                self._add(checkpoint, "an anchor", True, None)

    def _contradicted(self, expected: tuple[Any, ...], size: int) -> None:
        of, _, _, source, anchored, _ = expected
        if of > size:
            what = f"{source} has a checkpoint of {of} records, and there are only {size}"
        else:
            what = f"the tree of the first {of} records is not the one of the checkpoint in {source}"
        self._findings.add("anchor" if anchored else "checkpoint", what, index=of)

    def _excused(self, origin: str, size: int) -> bool:
        """Whether the log has begun anew before it got there."""
        for restart in self._restarts:
            if origin in restart.before and size > restart.size:
                goes_on = f"SELECT count(*) FROM expected e WHERE origin = ? AND {_GOOD}"  # noqa: S608 - our own words
                if self._scratch.count(goes_on, restart.after):
                    return True
        return False

    def _parse(self, note: object) -> tuple[Checkpoint, bool]:
        if not isinstance(note, str):
            raise MalformedNote("a note is a text")
        parsed = Note.parse(note)
        return Checkpoint.parse(parsed.text), bool(verified(parsed, self._keys))

    def _add(self, checkpoint: Checkpoint, source: str, anchored: bool, time: int | None) -> None:
        self._scratch.add("expected", checkpoint.size, checkpoint.origin, checkpoint.root, source, int(anchored), time)

    def _origins(self, *, anchored: int) -> Iterator[tuple[Any, ...]]:
        statement = "SELECT origin FROM expected WHERE anchored = ? GROUP BY origin ORDER BY min(size) LIMIT ?"
        return self._scratch.ask(statement, anchored, _MOST_ORIGINS)


def _related(origin: str, names: Sequence[str]) -> bool:
    """Whether both are of one log: a log that begins anew adds to its name."""
    return any(origin == name or origin.startswith(f"{name}/") or name.startswith(f"{origin}/") for name in names)
