"""What stands in a place, as anybody may see it: nothing is taken, changed or disturbed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from asgi_audit.journal import tape
from asgi_audit.journal.cursors import Cursors
from asgi_audit.journal.descriptor import Descriptor
from asgi_audit.journal.directory import SEGMENTS, WriterDirectory, gone, hidden, is_writers, occupied
from asgi_audit.journal.entry import read_entry
from asgi_audit.journal.recovery import Findings
from asgi_audit.journal.remains import Remains
from asgi_audit.journal.segment import Segment, UnknownFormat
from asgi_audit.record import Record

_CHUNK: Final = 500  # records
_ATTEMPTS: Final = 5  # to read what its writer changes meanwhile
_LAST: Final = datetime.max.replace(tzinfo=UTC)


class State(StrEnum):
    """Whose it is."""

    LIVE = "live"
    DEAD = "dead"  # nobody's: to be taken over
    ADOPTED = "adopted"  # a dead writer's, and somebody delivers it
    NEWER = "newer format"
    UNREADABLE = "unreadable"


class Sighting:
    """What was seen of one writer at one time.

    `pending` counts the records that each lane has yet to store, from the positions `starts` on. `begun` are the open
    intents and the provisional records: no record of them has a position yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = path.name.removeprefix(".")
        self.state = State.UNREADABLE
        self.why = ""  # it is unreadable
        self.pending: dict[str, int] = {}
        self.starts: dict[str, int] = {}
        self.begun: list[Record] = []
        self.damaged: list[tuple[str, bytes]] = []  # by the segment's file
        self.torn = 0  # bytes, behind the last entry of a dead writer
        self.bytes = 0
        self.first = self.end = 0  # positions
        self.oldest: Record | None = None  # that waits
        self._segments: list[Segment] = []

    @property
    def since(self) -> datetime | None:
        """When the oldest of what waits began."""
        waiting = [] if self.oldest is None else [self.oldest.time]
        return min([*waiting, *(each.time for each in self.begun)], default=None)

    def records(self, start: int) -> Iterator[Record]:
        """The records from a position on. Raises `OSError`."""
        place = tape.Place()
        while start < self.end:
            try:
                stretch = tape.read(self._segments, place, start, self.end, _CHUNK)
            except FileNotFoundError:  # every lane has stored what stood in the file, and it is gone
                self._segments = _remains(self.path).segments
                if not self._segments:
                    return
                start, place = max(start, self._segments[0].first), tape.Place()
            else:
                yield from stretch.records
                start, place = stretch.position, stretch.place

    def read(self) -> None:
        """Read all of it. Raises `OSError`; `FileNotFoundError` if it changes too fast, or is gone."""
        cursors = Cursors(self.path)  # first: what is stored meanwhile counts as pending, and nothing is left out
        remains = _remains(self.path)
        self._segments = remains.segments
        self.first = self.end = remains.segments[0].first if remains.segments else 0
        self.bytes = remains.bytes
        found = Findings(remains, min((cursors.of(lane).position for lane in remains.lanes), default=0))
        self.end = remains.end if remains.recovered else found.next
        self.damaged = found.damaged
        for lane in remains.lanes:
            start = self.starts[lane] = min(max(cursors.of(lane).position, self.first), self.end)
            missing = Findings(remains, start).lost if found.lost else 0
            self.pending[lane] = self.end - start - missing
        if not remains.recovered:  # else they have records
            intents = dict(found.intents)
            for intent, _ in found.provisional.values():
                intents.pop(intent, None)
            entries = [*intents.values(), *(entry for _, entry in found.provisional.values())]
            self.begun = [msgspec.structs.replace(read_entry(each), writer=self.writer) for each in entries]
        if any(self.pending.values()):
            self.oldest = next(self.records(min(self.starts.values())), None)
        held = occupied(self.path)
        self.state = State.DEAD if not held else State.ADOPTED if remains.recovered else State.LIVE
        self.torn = 0 if held else found.torn


def survey(place: Path) -> list[Sighting]:
    """What stands there, first what has waited longest. Raises `OSError` if the place can't be read."""
    found = [sighting for path in writers(place) if (sighting := _sight(path)) is not None]
    return sorted(found, key=lambda each: (each.since or _LAST, each.writer))


def writers(place: Path) -> list[Path]:
    """The writers' directories. One that has no segment yet is not finished, or nothing was ever in it."""
    found = [path for path in place.iterdir() if names_writer(path)]
    return sorted(path for path in found if not hidden(path) or any(path.glob(SEGMENTS)))


def names_writer(path: Path) -> bool:
    """Whether its name is that of a writer's directory."""
    return is_writers(path) and not gone(path)


def _sight(path: Path) -> Sighting | None:
    sighting = Sighting(path)
    for _ in range(_ATTEMPTS):
        sighting = Sighting(path)
        try:
            sighting.read()
        except UnknownFormat:
            sighting.state = State.NEWER
        except FileNotFoundError as error:
            sighting.why = f"{Path(error.filename).name} is missing"
            continue
        except OSError as error:
            sighting.why = error.strerror or str(error)
        return sighting
    return sighting if path.is_dir() else None  # delivered and removed, as it should be


def _remains(path: Path) -> Remains:
    return Remains(WriterDirectory(path, Descriptor(-1)), ())  # without the lock: to look, and no more
