"""The segments that a dead writer has left."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from asgi_audit.journal.directory import SEGMENTS, WriterDirectory
from asgi_audit.journal.frame import RECORD, Entry, entries
from asgi_audit.journal.segment import FORMAT, Header, Segment, read_header

_QUARANTINE: Final = "quarantine"
_ADDED: Final = ".added.seg"  # recovery's own
_SEGMENT: Final = re.compile(r"[0-9]{6,}(\.added)?\.seg")


class Remains:
    """A dead writer's segments in their order, and what there is to know without reading them.

    Raises `UnknownFormat` if a newer version has written one, and `OSError`. A segment whose header is damaged has that
    of its neighbours: the directory's name is the writer's. What recovery has added is done without then: all that it
    says can be found out again.
    """

    def __init__(self, directory: WriterDirectory, lanes: Sequence[str]) -> None:
        self.directory = directory
        self.writer = directory.path.name
        files = sorted(path for path in directory.path.glob(SEGMENTS) if _SEGMENT.fullmatch(path.name))
        found = [(path, _header(path)) for path in files]
        headers = [header for _, header in found if header is not None]
        #: Those who were to read it; if no header says so, those who found it.
        self.lanes = headers[0].lanes if headers else tuple(lanes)
        self.segments: list[Segment] = []
        for path, header in found:
            if header is not None or not path.name.endswith(_ADDED):
                self._load(path, header or self._guess(path))

    @property
    def recovered(self) -> bool:
        """Whether all is said."""
        return bool(self.segments) and self.segments[-1].header.of is not None

    @property
    def empty(self) -> bool:
        """Whether there is nothing but headers."""
        return not any(len(list(islice(entries(segment.read(0, segment.end)), 2))) > 1 for segment in self.segments)

    @property
    def addition(self) -> Path:
        """The file for what recovery adds."""
        number = max((segment.number for segment in self.segments), default=0) + 1
        return self.directory.path / f"{number:06}{_ADDED}"

    @property
    def end(self) -> int:
        """The position behind the last record, once recovered."""
        return self.segments[-1].next

    @property
    def bytes(self) -> int:
        """What it takes up."""
        return sum(segment.end for segment in self.segments)

    def forget(self, position: int) -> None:
        """Everybody has stored what stands before; what says that it was recovered stays to the end."""
        while len(self.segments) > 1 and self.segments[0].next <= position:
            self.segments.pop(0).unlink()

    def _guess(self, path: Path) -> Header:
        first = next(_seqs(path.read_bytes()), None)
        if first is None and self.segments:  # then it begins where the one before ends
            before = self.segments[-1]
            first = max(_seqs(before.read(0, before.end)), default=before.header.first - 1) + 1
        return Header(format=FORMAT, writer=self.writer, lanes=self.lanes, first=first or 0)

    def _load(self, path: Path, header: Header) -> None:
        segment = Segment(path, header, end=path.stat().st_size)
        segment.next = segment.first + header.records
        if self.segments:
            self.segments[-1].next = segment.first
        self.segments.append(segment)


def quarantine(place: Path) -> Path:
    """Where damaged entries are kept."""
    return place / _QUARANTINE


def _header(path: Path) -> Header | None:
    with path.open("rb") as file:
        return read_header(file.readline())


def _seqs(content: bytes) -> Iterator[int]:
    return (int(item.words[1]) for item in entries(content) if isinstance(item, Entry) and item.words[0] == RECORD)
