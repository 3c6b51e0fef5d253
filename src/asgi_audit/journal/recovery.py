"""What a dead writer could not say any more: read from its segments, and added to them, once.

Rule 1: what it has written whole is never changed. What is added is one more segment, by a writer of its own.
Rule 2: that segment appears whole, by a rename. Before it, everything can be done again; after it, nothing is to do.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from asgi_audit.journal.base import Listener
from asgi_audit.journal.cursors import Cursors
from asgi_audit.journal.entry import read_entry
from asgi_audit.journal.frame import (
    CANCEL,
    END,
    INTENT,
    NO_INTENT,
    PROVISIONAL,
    RECORD,
    Entry,
    entries,
    frame,
)
from asgi_audit.journal.remains import Remains, quarantine
from asgi_audit.journal.segment import FORMAT, Header, Segment
from asgi_audit.record import Kind, Outcome, Record, encode


class Findings:
    """What became of everything that had begun."""

    def __init__(self, remains: Remains, needed: int) -> None:
        self.intents: dict[bytes, bytes] = {}  # without a record
        self.provisional: dict[bytes, tuple[bytes, bytes]] = {}  # without a final one: intents and entries
        self._by_intent: dict[bytes, bytes] = {}  # provisional records' ids
        self.lost = 0  # records that no lane needs any less than from position `needed` on
        self.damaged: list[tuple[str, bytes]] = []  # by the segment's file
        self.torn = 0  # bytes of entries that were never written whole
        self.ended = False  # in good order
        self.ends: dict[Segment, int] = {}  # where torn entries begin, or what was never written
        self.next = remains.segments[0].first if remains.segments else 0
        self._needed = needed
        number = 0
        for segment in remains.segments:
            # What was still open when those between were dropped, this one has carried on. But where they never came to
            # the disk, this one may not be there whole.
            if segment.number != number + 1 and segment.first <= needed:
                self.intents.clear()
                self.provisional.clear()
            number = segment.number
            self._examine(segment)

    def _examine(self, segment: Segment) -> None:
        self.advance(segment.first)
        whole = 0
        for item in entries(segment.read(0, segment.end)):
            if isinstance(item, Entry):
                self._read(*item.words)
            elif item.torn:
                self.torn += len(item.content)
                continue
            else:
                self.damaged.append((segment.path.name, item.content))
            whole = item.end
        self.ends[segment] = whole

    def _read(self, kind: bytes, *words: bytes) -> None:
        self.ended = kind == END
        if kind == INTENT:
            self.intents[words[0]] = words[1]
        elif kind == PROVISIONAL:
            self.provisional[words[0]] = (words[1], words[2])
            self._by_intent[words[1]] = words[0]
        elif kind == CANCEL:
            self._close(words[0])
        elif kind == RECORD:
            self._close(words[1])
            self.advance(int(words[0]))
            self.next = max(self.next, int(words[0]) + 1)

    def _close(self, key: bytes) -> None:
        if key == NO_INTENT:
            return  # it ends nothing: provisional records without an intent have that, too
        self.intents.pop(key, None)
        self.provisional.pop(key, None)
        self.provisional.pop(self._by_intent.pop(key, key), None)

    def advance(self, position: int) -> None:
        """Nothing was found before the position that has not been read by now."""
        if position > self.next:
            self.lost += max(0, position - max(self.next, self._needed))
            self.next = position


def recover(remains: Remains, listener: Listener) -> None:
    """Add what is to be said of a writer that is dead. Raises `OSError`, and then nothing was added."""
    place = remains.directory.path.parent
    cursors = Cursors(remains.directory.path)
    places = [cursors.of(lane).position for lane in remains.lanes]
    found = Findings(remains, min(places))
    found.advance(max(places))  # what was stored is there no more; a lane must not think it had stored what is added
    for file in dict(found.damaged):
        content = b"".join(damaged for where, damaged in found.damaged if where == file)
        _set_aside(quarantine(place) / f"{remains.writer}-{file}", content)
    _add(remains, found.next, [encode(record) for record in _sayings(remains, found, listener)])
    for segment, end in found.ends.items():
        os.truncate(segment.path, end)


def _sayings(remains: Remains, found: Findings, listener: Listener) -> list[Record]:
    records = [read_entry(entry) for _, entry in found.provisional.values()]
    for intent, _ in found.provisional.values():
        found.intents.pop(intent, None)
    interrupted = [
        msgspec.structs.replace(read_entry(entry), outcome=Outcome.INTERRUPTED) for entry in found.intents.values()
    ]
    records += interrupted
    records += _given_up(remains, listener)
    about = {"writer": remains.writer}
    if found.lost or found.damaged:
        said = {"records": found.lost, "entries": len(found.damaged), "reason": "damaged in the journal"}
        records.append(listener.own(Kind.LOSS, {**said, **about}))
    if not found.ended:
        said = {"records": found.next, "interrupted": len(interrupted), "torn": found.torn, "found": "recovery"}
        records.append(listener.own(Kind.CLOSE, {**said, **about}))
    return records


def _given_up(remains: Remains, listener: Listener) -> list[Record]:
    """What made room while a lane was behind; the writer may have said so itself, but nobody knows.

    For the primary lane nothing is given up: if its cursor is behind, that is all that a power cut has left of it.
    """
    cursors = Cursors(remains.directory.path)
    first = remains.segments[0].first if remains.segments else 0
    behind = {lane: first - cursors.of(lane).position for lane in remains.lanes[1:]}
    said = {"reason": "the sink was too far behind", "until": first, "writer": remains.writer}
    return [
        listener.own(Kind.LOSS, {"records": count, "sink": lane, **said}) for lane, count in behind.items() if count > 0
    ]


def _add(remains: Remains, base: int, records: Sequence[bytes]) -> None:
    header = Header(
        format=FORMAT,
        writer=os.urandom(16).hex(),
        lanes=remains.lanes,
        first=0,
        base=base,
        of=remains.writer,
        records=len(records),
    )
    lines = [frame(RECORD, b"%d" % seq, NO_INTENT, entry) for seq, entry in enumerate(records)]
    path = remains.addition
    new = path.with_suffix(".new")
    with _private(new, os.O_TRUNC) as file:
        file.write(b"".join([header.line(), *lines]))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    remains.directory.sync()


def _set_aside(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with _private(path, os.O_TRUNC) as file:
        file.write(content)


def _private(path: Path, flag: int) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600), "wb")
