"""Lines at the end of a file that others may write to, rename or remove meanwhile."""

import os
import sys
from pathlib import Path

if sys.platform != "win32":  # pragma: no branch - there is no such lock, so several processes must not share the file
    from fcntl import LOCK_EX, LOCK_UN, flock


def append_lines(path: Path, lines: bytes, *, mode: int = 0o600) -> None:
    """Append whole lines, all or none; they are on disk when it returns. A new file has the mode, less the umask.

    Raises `OSError`; what was written until then is taken back. A line that a crash has torn is ended first.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, mode)
    try:
        if sys.platform != "win32":  # pragma: no branch - see above
            flock(descriptor, LOCK_EX)
        size = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            if size and not _ends_line(descriptor, size):
                _write(descriptor, b"\n")
            _write(descriptor, lines)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        if sys.platform != "win32":  # pragma: no branch - see above
            flock(descriptor, LOCK_UN)  # closing unlocks nothing if a child that was forked meanwhile has the file, too
        os.close(descriptor)


def _ends_line(descriptor: int, size: int) -> bool:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
