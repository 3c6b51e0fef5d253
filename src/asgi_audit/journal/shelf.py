"""A living writer's segments, in their order."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from asgi_audit.journal.cursors import Cursor, Cursors
from asgi_audit.journal.directory import WriterDirectory, discard
from asgi_audit.journal.segment import Segment

#: How far each lane has come.
Lanes: TypeAlias = Callable[[], Mapping[str, int]]


class Shelf(list[Segment]):
    """Segments, and the bytes that they take up. Not thread-safe."""

    def __init__(self) -> None:
        super().__init__()
        self._full = 0  # bytes in all but the newest

    @property
    def newest(self) -> Segment:
        """The one that is written to; there must be one."""
        return self[-1]

    @property
    def bytes(self) -> int:
        """What all of them hold."""
        return self._full + self[-1].end if self else 0

    def add(self, segment: Segment) -> None:
        """It is the newest from now on; what was allocated ahead for the one before is not needed any more."""
        if self:
            self.newest.cut(self.newest.end)
        self.append(segment)
        self._full = sum(each.end for each in self[:-1])

    def drop(self, segment: Segment) -> None:
        """Nobody needs it any more, or somebody has to do without."""
        self.remove(segment)
        self._full = sum(each.end for each in self[:-1])
        segment.unlink()

    def back_to(self, number: int, end: int, position: int) -> None:
        """Take back what stands behind: in the segment of that number from its `end` on, and all after it."""
        for segment in self:
            if segment.number > number:
                segment.unlink()
            elif segment.number == number:
                segment.cut(end)
                segment.next = position
        self[:] = [segment for segment in self if segment.number <= number]

    def passed(self, position: int, number: int) -> list[Segment]:
        """Those numbered below `number` that hold nothing behind the position."""
        return [segment for segment in self if segment.number < number and segment.next <= position]

    def publish(self, directory: WriterDirectory, lanes: Lanes) -> None:
        """Show others the directory in which all of them stand. Raises `OSError`."""
        cursors = Cursors(directory.path)
        for lane, position in lanes().items():
            if position:  # else a successor takes what is stored, and gone, for lost
                cursors.save(Cursor(lane, position))
        directory.publish()
        for segment in self:  # a file that can't be found under its name can't be removed
            segment.path = directory.path / segment.path.name

    def mend(
        self, standing: WriterDirectory, build: Callable[[], WriterDirectory], lanes: Lanes
    ) -> tuple[WriterDirectory, bool]:
        """Write again what somebody has deleted: the files are still open. Raises `OSError`.

        The directory in which they stand now, and whether there was anything to write.
        """
        if standing.stands:
            gone = [segment for segment in self if not segment.linked]
            for segment in gone:
                segment.move(standing.path)
            return standing, bool(gone)
        directory = build()
        for segment in self:
            segment.move(directory.path)
        discard(standing.path)  # what is left of it: all of that stands in the new one
        self.publish(directory, lanes)
        return directory, True
