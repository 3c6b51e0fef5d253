"""The entries of a living writer: appended to its newest segment, dropped when nobody needs them any more.

Rule 1: an entry is written by one call on the thread that makes it, and counts only if it was written whole.
Rule 2: what began and has not ended yet (intents, provisional records) stands in the newest segment, however old it is.
Rule 3: what the disk has not confirmed is kept in memory, too: after a failed sync nobody can know what a file holds.

Not thread-safe: the journal holds its lock around each call, except `Unconfirmed.sync`.
"""

import errno
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from asgi_audit.errors import JournalFull
from asgi_audit.journal.directory import WriterDirectory
from asgi_audit.journal.frame import END, frame
from asgi_audit.journal.segment import Header, Segment, name
from asgi_audit.journal.shelf import Lanes, Shelf
from asgi_audit.journal.unconfirmed import Confirmation, Unconfirmed

_SEGMENT_BYTES: Final = 2**23
_PARTS: Final = 8  # of the whole: what is given up at once, so that one loss record tells of many
_MOST: Final = 128  # segments, each of which is an open file
_UNCONFIRMED_BYTES: Final = 2**25  # a disk that is so far behind does not work
_RETRY_SECONDS: Final = 1.0
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Log:
    """Segments of one writer.

    `lanes` says how far each has come: what the primary one has stored may make room. `others` are the bytes that what
    is not ours takes of the limit.
    """

    def __init__(
        self, place: Path, header: Header, max_bytes: int, lanes: Lanes, others: Callable[[], int], *, confirm: bool
    ) -> None:
        self.segments = Shelf()
        self.directory: WriterDirectory | None = None
        self.position = 0  # the seq of the next record
        self.written = 0  # entries
        self.trouble: OSError | None = None  # with the last attempt to write
        self.reserved = 0  # bytes that are promised to provisional records
        self._build = partial(WriterDirectory.build, place, header.writer)
        self._header = header
        self._max_bytes = max_bytes
        self._segment_bytes = min(max(_SEGMENT_BYTES, max_bytes // _MOST), max_bytes // _PARTS)
        self._lanes = lanes
        self._others = others
        self._taken = 0  # by the others, when that last mattered
        self._confirm = confirm
        self._files = 0
        self._began: dict[bytes, bytes] = {}  # lines, by their keys
        self._owed: list[bytes] = []  # lines that say of what began and was written that it has ended
        self._fresh = 0  # where the entries behind the carried ones begin
        self._doubtful = False  # whether a record was written that is not counted
        self._broken = False  # the newest segment can't be written any more
        self._free = 0  # bytes that may follow in the newest segment without another look at limits and disks
        self._retry = 0.0
        self._disk = Confirmation()

    @property
    def first(self) -> int:
        """The position of the first record that is still there."""
        return self.segments[0].first if self.segments else self.position

    def begin(self, key: bytes, line: bytes, reserve: int = 0) -> None:
        """Write of something that will end, for whose end so many bytes are kept. Raises `OSError`, `JournalFull`."""
        self._write(line, reserve)
        self.reserved += reserve
        self._free -= reserve
        self._began[key] = line

    def end(self, key: bytes, line: bytes) -> None:
        """Write that it has ended, if it had begun. Where that can't be, it is written before anything else is."""
        if self._began.pop(key, None) is None:
            return
        try:
            self._write(line, limited=False)
        except OSError:
            self._owed.append(line)

    def claim(self) -> int:
        """The `seq` of the next record. One whose writing a signal handler's exception has broken off keeps its own."""
        self.position += self._doubtful
        self._doubtful = False
        return self.position

    def record(self, line: bytes, *keys: bytes, room: int = 0, limited: bool = True) -> None:
        """Write the record whose `seq` is `position`, with which what the keys name has ended.

        It may use `room`, which was reserved. Raises `OSError`, `JournalFull`.
        """
        self._doubtful = True
        try:
            self._write(line, -room, limited=limited)
        except (OSError, JournalFull):
            self._doubtful = False
            raise
        self.position = self.segments.newest.next = self.position + 1
        self._doubtful = False
        for key in keys:
            self._began.pop(key, None)

    def unconfirmed(self) -> Unconfirmed | None:
        """What is to be synced, after a look whether all of it still stands where it should. Raises `OSError`."""
        if self.directory is None:
            return None
        self._mend(self.directory)
        return self._disk.missing(self.directory, self.segments, self._files, self.written, self.position)

    def confirm(self, synced: Unconfirmed) -> None:
        """The disk has it."""
        self._disk.confirm(synced)

    def repeat(self) -> None:
        """The disk has failed to confirm: write all that is unconfirmed again, to a new segment. Raises `OSError`."""
        number, end, position = self._disk.place
        segment = self._create(position, b"".join(self._disk.lines))
        segment.next = self.position
        self.segments.back_to(number, end, position)
        if self._disk.moved and self.directory is not None:
            for kept in self.segments:  # a second sync of the same file may be told of no error
                kept.unlink()
                kept.move(self.directory.path)
        self._add(segment)
        self._broken = False

    def forget(self, position: int) -> None:
        """Every lane has stored what stands before. A full disk gets back what the newest segment takes up, too."""
        if self.trouble is not None and self.segments:
            self._leave_newest(position)
        for segment in self.passed(position):
            self.segments.drop(segment)

    def passed(self, position: int) -> list[Segment]:
        """Segments that hold nothing behind the position, and nothing that the disk has not elsewhere by now."""
        if not self.segments:
            return []
        number = self.segments.newest.number
        return self.segments.passed(position, min(number, self._disk.segment) if self._confirm else number)

    def finish(self, *, delivered: bool) -> None:
        """Nothing is expected any more: leave no directory if nobody needs it, else say that it ended in good order."""
        if self.directory is None:
            return
        self._free = 0
        if delivered and not self._began and not self._owed:
            self._disk.clear()
            self.segments.clear()
            directory, self.directory = self.directory, None
            directory.remove()
        else:
            self._write(frame(END), limited=False)

    def hurry(self) -> None:
        """Try again with the next entry, however recently the last attempt has failed."""
        self._retry = 0.0

    def release(self) -> None:
        """It is the parent's: let go of it without touching it."""
        if self.directory is not None:
            directory, self.directory = self.directory, None
            directory.release()

    def _write(self, line: bytes, besides: int = 0, *, limited: bool = True) -> None:
        try:
            try:
                self._put(line, besides, limited=limited)
            except OSError:
                if not self._broken and not self._give_way():
                    raise
                self._put(line, besides, limited=limited)  # in another segment, or in the room of another
        except OSError as error:
            self.trouble = OSError(*error.args)  # without the frames that the other one holds on to
            raise
        self.trouble = None

    def _put(self, line: bytes, besides: int, *, limited: bool) -> None:
        size = len(line)
        if known := size <= self._free and not besides:
            segment = self.segments[-1]
        else:
            self._free = 0
            segment = self._segment(size, besides, limited=limited)
            if segment.end + size > segment.allocated:
                segment.allocate(size, self._segment_bytes)
            line = b"".join([*self._owed, line])
        try:
            segment.write(line)
        except OSError as error:
            self._free = 0
            self._broken = error.errno not in _FULL
            raise
        self.written += 1
        if self._confirm:
            self._disk.add(line)
        self._free -= size
        if not known:
            self._owed.clear()
            self._free = min(self._room(), _UNCONFIRMED_BYTES - self._disk.bytes, segment.free(self._segment_bytes))

    def _segment(self, size: int, besides: int, *, limited: bool) -> Segment:
        if not self.segments or self._broken:
            self._renew()
        if limited:
            if self._disk.bytes > _UNCONFIRMED_BYTES:
                raise JournalFull(f"{self._disk.bytes} bytes wait for the disk to confirm them")
            self._make_room(size + besides)
        if self.segments.newest.end + size > max(self._segment_bytes, 2 * self._fresh):
            with suppress(OSError):  # where no new file can be, the old one grows
                self._rotate()
        return self.segments.newest

    def _renew(self) -> None:
        if self.trouble is not None and time.monotonic() < self._retry:
            raise OSError(*self.trouble.args)
        self._retry = time.monotonic() + _RETRY_SECONDS
        begin = self._establish if self.directory is None else self._rotate
        begin()
        self._retry = 0.0
        self._broken = False

    def _establish(self) -> None:
        directory = self.directory = self._build()
        try:
            self._rotate()
            self.segments.publish(directory, self._lanes)
        except OSError:
            self.directory = None
            self.segments.clear()
            raise

    def _rotate(self) -> None:
        self._add(self._create(self.position, b""))

    def _create(self, first: int, lines: bytes) -> Segment:
        assert self.directory is not None
        header = msgspec.structs.replace(self._header, first=first)
        self._files += 1
        segment = Segment.create(self.directory.path / name(self._files), header)
        try:
            segment.write(b"".join([*self._began.values(), *self._owed, lines]))
        except OSError:
            segment.unlink()
            raise
        self._owed.clear()
        return segment

    def _add(self, segment: Segment) -> None:
        self.segments.add(segment)
        self._fresh = segment.end
        self._free = 0

    def _make_room(self, size: int) -> None:
        """Segments that the primary lane has passed make room for new entries, whoever else has not read them."""
        if self._room() < size:
            self._taken = self._others()
        if self._room() >= size:
            return
        passed = self._spare()
        if self._room() + sum(segment.end for segment in passed) < size:
            raise JournalFull(f"{self._max_bytes} bytes of records wait for {self._header.lanes[0]}")
        while self._room() < size:
            self.segments.drop(passed.pop(0))

    def _give_way(self) -> bool:
        """The disk is full: make room as at the limit, if there is any to make."""
        passed = self._spare() if self.segments else []
        if passed:
            self.segments.drop(passed[0])
        return bool(passed)

    def _spare(self) -> list[Segment]:
        done = self._lanes()[self._header.lanes[0]]
        self._leave_newest(done)
        return self.passed(done)

    def _leave_newest(self, position: int) -> None:
        """Begin another segment, if the newest one holds nothing behind the position: so it can be let go of."""
        newest = self.segments.newest
        if newest.next <= position and newest.end > self._fresh:
            with suppress(OSError):
                self._rotate()

    def _room(self) -> int:
        return self._max_bytes - self._taken - self.reserved - self.segments.bytes

    def _mend(self, standing: WriterDirectory) -> None:
        self.directory, moved = self.segments.mend(standing, self._build, self._lanes)
        if moved:
            self._disk.move()
            self._free = 0
