"""One file of a writer's entries."""

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from asgi_audit.journal.descriptor import Descriptor
from asgi_audit.journal.frame import HEADER, Entry, entries, frame

FORMAT: Final = 1
_STEP: Final = 2**20  # bytes to allocate ahead: a file that need not grow is on the disk sooner
_FREE_PART: Final = 20  # a twentieth of the disk is not ours to fill
# What not every system has.
_allocate = getattr(os, "posix_fallocate", None)
_sync = getattr(os, "fdatasync", os.fsync)


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands at the beginning of a segment.

    `first` is the `seq` of its first record, `base` what makes a `seq` a position in this directory. `of` is the dead
    writer, if this is what its recovery has added: then `records` are all that there are.
    """

    format: int
    writer: str
    lanes: tuple[str, ...]
    first: int
    base: int = 0
    of: str | None = None
    records: int = 0

    def line(self) -> bytes:
        """As an entry."""
        return frame(HEADER, msgspec.json.encode(self))


class _Format(msgspec.Struct):
    format: int


class UnknownFormat(Exception):  # noqa: N818 - what was found, not a fault
    """A newer version has written this."""


class Segment:
    """A file of entries, and how far it goes. Not thread-safe, but below the `end` it has seen a reader is safe."""

    def __init__(self, path: Path, header: Header, *, end: int, file: Descriptor | None = None) -> None:
        self.path = path
        self.header = header
        self.first = self.next = header.base + header.first  # positions: of its first record, and behind its last one
        self.end = end  # in bytes
        self.allocated = end
        self._file = file

    @classmethod
    def create(cls, path: Path, header: Header) -> Self:
        """A new file with its header. Raises `OSError`, and leaves no file then."""
        file = Descriptor(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        segment = cls(path, header, end=0, file=file)
        try:
            segment.write(header.line())
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return segment

    @property
    def number(self) -> int:
        """Its place among its writer's segments, from 1."""
        return int(self.path.name.partition(".")[0])

    @property
    def _opened(self) -> Descriptor:
        """The file; that of a dead writer only for as long as it takes, for there may be many."""
        return self._file or Descriptor(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))

    @property
    def linked(self) -> bool:
        """Whether the file is still in a directory."""
        return os.fstat(self._opened.number).st_nlink > 0

    def free(self, most: int) -> int:
        """How many bytes more are allocated in a file that may grow to `most`; not above 0 if there are none."""
        return min(self.allocated, most) - self.end

    def allocate(self, size: int, most: int) -> None:
        """Take room on the disk for so many more bytes, or up to `most`; where that can't be, the file grows as it may.

        Raises `OSError` where the disk is nearly full.
        """
        disk = os.fstatvfs(self._opened.number)
        if disk.f_bavail < disk.f_blocks // _FREE_PART:
            raise OSError(errno.ENOSPC, f"less than a {_FREE_PART}th of the disk is free")
        taken = size  # without more, the next entry looks at the disk again
        if _allocate is not None:  # pragma: no branch - macOS
            with suppress(OSError):
                ahead = max(size, min(most, _STEP))
                _allocate(self._opened.number, self.end, ahead)
                taken = ahead
        self.allocated = self.end + taken

    def write(self, lines: bytes) -> None:
        """Add entries, all of them or none. Raises `OSError`."""
        file = self._opened
        try:
            done = os.pwrite(file.number, lines, self.end)
            while done < len(lines):
                written = os.pwrite(file.number, lines[done:], self.end + done)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += written
        except OSError:
            self.cut(self.end)
            raise
        self.end += done

    def cut(self, end: int) -> None:
        """Take back what stands behind. Where that fails, the next entries stand over it, and the rest is no entry."""
        with suppress(OSError):
            os.ftruncate(self._opened.number, end)
        self.end = self.allocated = end

    def read(self, start: int, size: int) -> bytes:
        """At most so many bytes, none behind the end. Raises `OSError`."""
        file = self._opened  # held until it was read
        return os.pread(file.number, min(size, self.end - start), start)

    def sync(self) -> None:
        """Wait until the disk has it. Raises `OSError`."""
        _sync(self._opened.number)

    def unlink(self) -> None:
        """Remove the file; who reads it may go on."""
        with suppress(OSError):  # it takes up room, and another process will remove it with its directory
            self.path.unlink()

    def move(self, directory: Path) -> None:
        """Write the file again, for it was deleted: into another directory, or into the same. Raises `OSError`.

        What somebody has cut off before is blank, so that the rest keeps its place, and is found to be damaged.
        """
        copy = Segment.create(directory / self.path.name, self.header)
        copy.cut(0)
        while copy.end < self.end:
            copy.write(self.read(copy.end, _STEP) or b"\n".rjust(self.end - copy.end))
        self.path, self._file, self.allocated = copy.path, copy._file, copy.end


def name(number: int) -> str:
    """The name of the file."""
    return f"{number:06}.seg"


def read_header(line: bytes) -> Header | None:
    """The header that a file begins with; `None` if it is none. Raises `UnknownFormat`."""
    first = next(entries(line), None)
    if not isinstance(first, Entry) or first.words[0] != HEADER:
        return None
    if msgspec.json.decode(first.words[1], type=_Format).format != FORMAT:
        raise UnknownFormat
    return msgspec.json.decode(first.words[1], type=Header)
