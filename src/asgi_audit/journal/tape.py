"""Reading records out of segments, one after the other."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from asgi_audit.journal.entry import read_entry
from asgi_audit.journal.frame import RECORD, Damage, entries
from asgi_audit.journal.reader import Reader
from asgi_audit.journal.segment import Segment
from asgi_audit.record import Record

_CHUNK: Final = 2**18


class Place(NamedTuple):
    """Where to go on: a segment by its number, and a byte in it where an entry begins."""

    segment: int = 0
    offset: int = 0


class Stretch(NamedTuple):
    """What was read: records, the position and the place behind them; how many positions had no record any more."""

    records: list[Record]
    position: int
    place: Place
    missing: int


class TapeReader(Reader):
    """A lane's place in positions, and in bytes."""

    __slots__ = ("ahead", "place")

    def __init__(self, acknowledged: int = 0) -> None:
        super().__init__(acknowledged)
        self.place = Place()
        self.ahead: Stretch | None = None  # what was read, and is on its way

    def hand(self, stretch: Stretch) -> None:
        """The records are on their way to the sink."""
        self.ahead = stretch
        self.handed = stretch.position

    def acknowledge(self, position: int, first: int) -> None:
        """All before `position` is stored."""
        if self.ahead is not None and self.ahead.position == position:
            self.place = self.ahead.place
            self.given_up += self.ahead.missing
            self.ahead = None
        super().acknowledge(position, first)


def read(segments: Sequence[Segment], place: Place, start: int, until: int, limit: int) -> Stretch:
    """At most `limit` records of the positions from `start` to `until`, which is exclusive. Raises `OSError`.

    Damaged entries are passed over: whoever has written them again, or finds them missing, says so.
    """
    records: list[Record] = []
    expected = start
    for segment in segments:
        if segment.number < place.segment:
            continue
        at = place.offset if segment.number == place.segment else 0
        size = _CHUNK
        while at < segment.end:
            content = segment.read(at, size)
            used = 0
            for item in entries(content):
                if isinstance(item, Damage):
                    if item.torn and at + len(content) < segment.end:
                        break  # it goes on in the next chunk
                elif item.words[0] == RECORD:
                    seq = int(item.words[1])
                    position = segment.header.base + seq
                    if position >= until:
                        return Stretch(records, until, Place(segment.number, at + used), until - start - len(records))
                    if position >= expected:  # else it was written twice, or is stored already
                        records.append(_record(item.words[3], segment.header.writer, seq))
                        expected = position + 1
                used = item.end
                if len(records) == limit:
                    return Stretch(records, expected, Place(segment.number, at + used), expected - start - limit)
            if (not used and at + len(content) >= segment.end) or not content:
                break  # the rest was never written, or somebody has cut the file
            at += used
            size = _CHUNK if used else size * 4
        place = Place(segment.number, at)
    return Stretch(records, until, place, until - start - len(records))


def _record(entry: bytes, writer: str, seq: int) -> Record:
    return msgspec.structs.replace(read_entry(entry), writer=writer, seq=seq)
