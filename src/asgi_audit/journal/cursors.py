"""How far the lanes of one writer's directory have come, in a file beside its segments."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from asgi_audit.journal.descriptor import Descriptor
from asgi_audit.journal.frame import CURSOR, Entry, entries, frame

_NAME: Final = "cursors"
_LONGEST: Final = 2**16  # bytes, after which it is written anew


class Cursor(msgspec.Struct, frozen=True):
    """A lane has stored all that stands before the position; `done`, if nothing will come behind it."""

    lane: str
    position: int
    done: bool = False

    def line(self) -> bytes:
        """As an entry."""
        return frame(CURSOR, msgspec.json.encode(self))


class Cursors:
    """The last cursor of each lane. Appending is atomic enough: a line that was cut is none, and the one before holds.

    A cursor that is behind costs a second delivery, which a sink recognises by the ids. Not thread-safe.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._cursors = _load(self._path)
        self._size = _LONGEST  # so that the first one makes it tidy

    def of(self, lane: str) -> Cursor:
        """Where the lane stands."""
        return self._cursors.get(lane, Cursor(lane, 0))

    def save(self, cursor: Cursor) -> None:
        """Note where a lane stands. Raises `OSError`."""
        self._cursors[cursor.lane] = cursor
        line = cursor.line()
        if self._size + len(line) > _LONGEST:
            self._rewrite()
        else:
            size, self._size = self._size, _LONGEST  # should it fail, what stands behind half a line is lost
            _write(self._path, os.O_APPEND, line)
            self._size = size + len(line)

    def sync(self) -> None:
        """See to it that they outlast a power cut. Raises `OSError`."""
        for path in (self._path, self._path.parent):
            file = Descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            os.fsync(file.number)

    def _rewrite(self) -> None:
        new = self._path.with_suffix(".new")
        content = b"".join(cursor.line() for cursor in self._cursors.values())
        _write(new, os.O_TRUNC, content)
        new.replace(self._path)
        self._size = len(content)


def _load(path: Path) -> dict[str, Cursor]:
    found: dict[str, Cursor] = {}
    with suppress(FileNotFoundError):
        for item in entries(path.read_bytes()):
            if isinstance(item, Entry) and item.words[0] == CURSOR:
                cursor = msgspec.json.decode(item.words[1], type=Cursor)
                found[cursor.lane] = cursor
    return found


def _write(path: Path, flag: int, content: bytes) -> None:
    file = Descriptor(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600))
    if os.write(file.number, content) < len(content):
        raise OSError(f"{path.name} could not be written whole")
