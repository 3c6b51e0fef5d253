"""The checkpoints that a log's tree is held against: the database's own, and those that anchors have kept."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import HASH_BYTES, CompactRange
from asgi_audit.integrity.note import BadSignature, MalformedNote, Note, Verifier, verified
from asgi_audit.integrity.report import Findings
from asgi_audit.record import Record
from asgi_audit.verification.evidence import Stored
from asgi_audit.verification.scratch import Scratch

_DATABASE: Final = "the database"
_MOST_NAMES: Final = 100
_MOST_PEAKS: Final = 63
_LARGEST: Final = 2**63
_ALL: Final = "SELECT size, origin, root, source, anchored, time FROM expected e"
_GOOD: Final = "EXISTS (SELECT 1 FROM good g WHERE g.size = e.size AND g.root = e.root)"
# With the time at which the database's own next one was made: of what anchors have, the database may lack some.
_IN_ORDER: Final = """
SELECT size, origin, root, source, anchored,
(SELECT d.time FROM expected d WHERE d.anchored = 0 AND d.size >= e.size ORDER BY d.size LIMIT 1)
FROM expected e ORDER BY size, anchored
"""
# Whether the log has begun anew before it got there. Whoever can insert a record can say so. It counts only if a given
# key or an anchor vouches for a tree of the new origin that has this record.
_EXCUSED: Final = "EXISTS (SELECT 1 FROM excuses x WHERE x.origin = e.origin AND x.size < e.size)"
_EXCUSES: Final = f"""
INSERT INTO alive SELECT origin, max(size) FROM expected e WHERE {_GOOD}
AND (anchored = 1 OR (size, origin, root) IN (SELECT * FROM signed)) GROUP BY origin;
INSERT INTO excuses SELECT r.origin, min(r.size) FROM restarts r JOIN alive a ON a.origin = r.after AND a.size > r.idx
GROUP BY r.origin;
"""  # noqa: S608 - our own words
# A backup may have had its last leaves already, and not yet all that was signed of them: hence the <=.
_UNTOLD: Final = "EXISTS (SELECT 1 FROM excuses x WHERE x.origin = e.origin AND x.size <= e.size)"
_LACKING: Final = f"""
{_ALL} WHERE anchored = 1 AND {_GOOD} AND NOT {_UNTOLD}
AND (size, origin, root) NOT IN (SELECT size, origin, root FROM expected WHERE anchored = 0)
"""  # noqa: S608 - our own words
_UNSIGNED: Final = f"""
SELECT DISTINCT size FROM expected e WHERE anchored = 1 AND NOT {_UNTOLD}
AND (size, origin, root) NOT IN (SELECT * FROM signed)
AND EXISTS (SELECT 1 FROM expected d WHERE (d.size, d.origin, d.root, d.anchored) = (e.size, e.origin, e.root, 0))
"""  # noqa: S608 - our own words


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
        self._expected: Iterator[tuple[Any, ...]] = iter(())
        self._next: tuple[Any, ...] | None = None
        self.time: int | None = None  # when the leaves at hand were signed
        self.begun_anew = False  # whether checkpoints were given up when the log was begun anew
        self.later: int | None = None  # how many records anchors know, if the log may be older than they

    def stored(self, stored: Stored) -> None:
        """Take one of the database's, the smallest tree first."""
        size = stored.size if type(stored.size) is int and 0 <= stored.size < _LARGEST else None
        try:
            note, checkpoint, signed = self._parse(stored.note)
        except (MalformedNote, BadSignature) as error:
            kind = "signature" if isinstance(error, BadSignature) else "checkpoint"
            self._findings.add(kind, f"a checkpoint of the database: {error}", index=size)
            return
        if checkpoint.size != size:
            self._wrong(checkpoint, f"is kept as one of {stored.size!r:.40}")
        if stored.signers != " ".join(sorted(each.key_id.hex() for each in note.signatures)):
            self._wrong(checkpoint, "is not signed by whom its row says")
        if _root(checkpoint.size, stored.peaks) != checkpoint.root:
            self._wrong(checkpoint, "has not the peaks of its tree")
        if checkpoint.size > self._newest[0]:
            self._newest = (checkpoint.size, signed)
        elif checkpoint.size == self._newest[0]:
            self._newest = (checkpoint.size, signed or self._newest[1])
        self._add(checkpoint, _DATABASE, False, stored.time)
        if signed:
            self._scratch.add("signed", checkpoint.size, checkpoint.origin, checkpoint.root)

    def anchored(self, note: str, anchor: str) -> bool:
        """Take one that an anchor has kept; whether it counts."""
        try:
            _, checkpoint, signed = self._parse(note)
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
        if names:
            self._set_aside(names)
        if self._keys and self._newest[0] >= 0 and not self._newest[1]:
            self._findings.add("signature", "the newest checkpoint is signed by none of the given keys")
        self._expected = self._scratch.ask(_IN_ORDER)
        self._next = next(self._expected, None)
        self.time = None if self._next is None else self._next[5]
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

    def restarted(self, record: Record, index: int) -> None:
        """A sound loss record, which may say that the log was begun anew; of two the first is believed."""
        said = (record.data or {}).get("restart")
        if not isinstance(said, dict):
            return
        before, after, size = said.get("from"), said.get("to"), said.get("size")
        if isinstance(before, list) and isinstance(after, str) and type(size) is int and 0 <= size < _LARGEST:
            rows = ((after, each, size, index) for each in before if isinstance(each, str) and each != after)
            self._scratch.add_all("restarts", rows, 4)

    def finish(self, size: int, newest: Sequence[str], *, older: bool) -> tuple[int | None, int]:
        """Say what the tree contradicts. `newest` is what the anchors know by now, of which a log may be `older`.

        Returns how many records are anchored, None for none, and how many are signed.
        """
        for note in newest:
            self._confirm(note)
        self._scratch.run(_EXCUSES)
        excused = f"SELECT count(*) FROM expected e WHERE NOT {_GOOD} AND {_EXCUSED}"  # noqa: S608 - our own words
        self.begun_anew = self._scratch.count(excused) > 0
        for expected in self._scratch.ask(f"{_ALL} WHERE NOT {_GOOD} AND NOT {_EXCUSED} ORDER BY size"):
            if older and expected[4] and expected[0] > size:
                self.later = expected[0]
            else:
                self._contradicted(expected, size)
        for expected in self._scratch.ask(_LACKING):
            what = f"{expected[3]} has a checkpoint of {expected[0]} records that the database lacks"
            self._findings.add("checkpoint", what, index=expected[0])
        for (of,) in self._scratch.ask(_UNSIGNED) if self._keys else ():
            what = f"the database's checkpoint of {of} records has no signature by a given key, and the anchor's has"
            self._findings.add("signature", what, index=of)
        largest = f"SELECT max(size) FROM expected e WHERE anchored = ? AND {_GOOD}"  # noqa: S608 - our own words
        return next(self._scratch.ask(largest, 1))[0], self._scratch.count(largest, 0)

    def _confirm(self, note: str) -> None:
        """An anchor has been told of the newest checkpoint meanwhile."""
        try:
            _, checkpoint, signed = self._parse(note)
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

    def _set_aside(self, names: Sequence[str]) -> None:
        """Leave aside what anchors know of logs with other names."""
        for (origin,) in self._scratch.ask("SELECT DISTINCT origin FROM expected WHERE anchored = 1"):
            if not _related(origin, names):
                self._scratch.add("strangers", origin)
        strangers = [row[0] for row in self._scratch.ask("SELECT origin FROM strangers LIMIT ?", _MOST_NAMES)]
        self._scratch.run("DELETE FROM expected WHERE anchored = 1 AND origin IN (SELECT origin FROM strangers)")
        if strangers and not any(self._origins(anchored=1)):
            others, here = ", ".join(strangers), ", ".join(names)
            self._findings.add("anchor", f"the anchors know {others:.200}, and not the log {here:.200}")

    def _wrong(self, checkpoint: Checkpoint, what: str) -> None:
        self._findings.add("checkpoint", f"a checkpoint of {checkpoint.size} records {what}", index=checkpoint.size)

    def _parse(self, text: object) -> tuple[Note, Checkpoint, bool]:
        if not isinstance(text, str):
            raise MalformedNote("a note is a text")
        note = Note.parse(text)
        return note, Checkpoint.parse(note.text), bool(verified(note, self._keys))

    def _add(self, checkpoint: Checkpoint, source: str, anchored: bool, time: int | None) -> None:
        self._scratch.add("expected", checkpoint.size, checkpoint.origin, checkpoint.root, source, int(anchored), time)

    def _origins(self, *, anchored: int) -> Iterator[tuple[Any, ...]]:
        statement = "SELECT origin FROM expected WHERE anchored = ? GROUP BY origin ORDER BY min(size) LIMIT ?"
        return self._scratch.ask(statement, anchored, _MOST_NAMES)


def _related(origin: str, names: Sequence[str]) -> bool:
    """Whether both are of one log: a log that begins anew adds to its name."""
    return any(origin == name or origin.startswith(f"{name}/") or name.startswith(f"{origin}/") for name in names)


def _root(size: int, peaks: object) -> bytes | None:
    """The root over the perfect subtrees, None if these can't be a tree's of that size."""
    if not isinstance(peaks, bytes) or len(peaks) > _MOST_PEAKS * HASH_BYTES:
        return None
    try:
        return CompactRange.from_bytes(size, peaks).root()
    except ValueError:
        return None
