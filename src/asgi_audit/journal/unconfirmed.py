"""What a log has written, and the disk may not have."""

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
