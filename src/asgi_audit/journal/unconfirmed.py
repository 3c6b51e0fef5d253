"""What a log has written, and the disk may not have.

After a failed sync nobody can know what a file holds: so until the disk has confirmed it, what was written is kept in
memory, too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from asgi_audit.journal.directory import WriterDirectory
from asgi_audit.journal.segment import Segment


class Unconfirmed(NamedTuple):
    """What is to be synced, and how far the log has come with it."""

    directory: WriterDirectory
    segments: list[Segment]
    files: int  # how many there have been, to see whether there are new ones
    names: bool  # whether the disk may not have their names
    lines: int
    written: int
    place: tuple[int, int, int]  # of the last entry: the segment's number, its end, the position

    def sync(self) -> None:
        """Wait for the disk. Raises `OSError`."""
        for segment in self.segments:
            segment.sync()
        if self.names:
            self.directory.sync()


class Confirmation:
    """How far the disk has confirmed, and the lines since. Not thread-safe."""

    def __init__(self) -> None:
        self.place = (0, 0, 0)  # as in `Unconfirmed`
        self.lines: list[bytes] = []
        self.bytes = 0  # of the lines
        self._named = 0  # how many files have names that the disk has
        self._moved = False  # what was confirmed stands elsewhere now

    @property
    def segment(self) -> int:
        """The number of the segment in which all that is open stands on the disk."""
        return 0 if self._moved else self.place[0]

    def add(self, lines: bytes) -> None:
        """This was written."""
        self.lines.append(lines)
        self.bytes += len(lines)

    def missing(
        self, directory: WriterDirectory, segments: Sequence[Segment], files: int, written: int, position: int
    ) -> Unconfirmed | None:
        """What the disk may not have of a log that has come so far."""
        number, end, _ = self.place
        names = self._named < files
        if not self.lines and not names:
            return None
        doubtful = [each for each in segments if self._moved or (each.number, each.end) > (number, end)]
        place = (segments[-1].number, segments[-1].end, position)
        return Unconfirmed(directory, doubtful, files, names, len(self.lines), written, place)

    @property
    def moved(self) -> bool:
        """Whether what was confirmed has to be confirmed again."""
        return self._moved

    def confirm(self, synced: Unconfirmed) -> None:
        """The disk has it."""
        self.place = synced.place
        self._named = synced.files
        self._moved = False
        self.bytes -= sum(map(len, self.lines[: synced.lines]))
        del self.lines[: synced.lines]

    def move(self) -> None:
        """Files were written again, elsewhere."""
        self._moved, self._named = True, -1

    def clear(self) -> None:
        """Nobody needs the lines any more."""
        self.lines.clear()
        self.bytes = 0
