"""A writer's own directory, and the lock that says whether its writer lives.

Rule 1: a directory appears under its writer's name when it is complete: locked, with the header of its first segment.
Rule 2: the lock is held as long as the process lives, and never released by unlocking: a forked child would release its
        parent's. Who finds it free may have it, if the file that was locked is still the one that stands there.
Rule 3: its name says first that it is to be removed: one that is half removed looks as if something were missing.
"""

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from weakref import WeakSet

from asgi_audit import process
from asgi_audit.journal.descriptor import Descriptor

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where there is no lock that a process loses by dying
    fcntl = None  # type: ignore[assignment]

SEGMENTS: Final = "*.seg"
_LOCK: Final = "lock"
_FLAGS: Final = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)
_HIDDEN: Final = "."
_GONE: Final = ".gone-"
_NAME: Final = re.compile(r"(\.(gone-)?)?[0-9a-f]{32}")


class _Locks:
    """Those that this process holds. A forked child lets go of them: they stand for the life of its parent."""

    def __init__(self) -> None:
        self._held: WeakSet[Descriptor] = WeakSet()
        process.on_fork(self._let_go)

    def open(self, path: Path, flags: int) -> Descriptor:
        """The file of a lock. Raises `OSError`."""
        lock = Descriptor(os.open(path, flags, 0o600))
        self._held.add(lock)
        return lock

    def _let_go(self) -> None:
        for lock in list(self._held):
            lock.close()
        self._held.clear()


_locks = _Locks()


class WriterDirectory:
    """`<place>/<writer>`, held by its lock."""

    def __init__(self, path: Path, lock: Descriptor) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def build(cls, place: Path, writer: str) -> Self:
        """A new one, hidden from others until `publish`. Raises `OSError`."""
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = place / f"{_HIDDEN}{writer}"
        discard(path)  # an attempt that failed half way
        path.mkdir(mode=0o700)
        lock = _locks.open(path / _LOCK, _FLAGS | os.O_CREAT | os.O_EXCL)
        fcntl.flock(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return cls(path, lock)

    def publish(self) -> None:
        """Show it to others. Raises `OSError`."""
        path = self.path.with_name(self.path.name.removeprefix(_HIDDEN))
        self.path.rename(path)
        self.path = path

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """That of a dead writer; `None` if its writer lives, or somebody else has it, or had it."""
        try:
            lock = _locks.open(path / _LOCK, _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            fcntl.flock(lock.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
                return None
            raise
        return cls(path, lock) if _same(lock, path / _LOCK) else None

    @property
    def stands(self) -> bool:
        """Whether it is still there, under its name."""
        return _same(self._lock, self.path / _LOCK)

    def sync(self) -> None:
        """See to it that the names of its files outlast a power cut. Raises `OSError`."""
        for path in (self.path, self.path.parent):
            directory = Descriptor(os.open(path, os.O_RDONLY))
            os.fsync(directory.number)

    def release(self) -> None:
        """Let others have it."""
        self._lock.close()

    def remove(self) -> None:
        """Nobody needs it any more. What can't be removed now, others will remove. Raises `OSError`."""
        with suppress(FileNotFoundError):  # somebody else was faster
            self.path = self.path.rename(self.path.with_name(_GONE + self.path.name.removeprefix(_HIDDEN)))
        discard(self.path)
        self.release()


def discard(path: Path) -> None:
    """Remove a directory with what is in it, the lock last."""
    with suppress(FileNotFoundError):
        for file in sorted(path.iterdir(), key=lambda file: file.name == _LOCK):
            file.unlink(missing_ok=True)
        path.rmdir()


def is_writers(path: Path) -> bool:
    """Whether it is a writer's directory, by its name: others' files, as a volume's `lost+found`, are not ours."""
    return _NAME.fullmatch(path.name) is not None and path.is_dir()


def lockable() -> bool:
    """Whether a process can hold a lock for its life here."""
    return fcntl is not None


def occupied(path: Path) -> bool:
    """Whether somebody holds it, as its writer does while it lives. Raises `OSError`, as when there is no lock.

    It asks for a shared lock, and lets go of it at once. That does not disturb the holder of an exclusive one; others
    who ask share it; and a new writer has locked its directory before there is anything in it to ask about. Only who is
    about to take over what a dead writer has left may meet it, passes that directory over, and looks again soon.
    """
    lock = Descriptor(os.open(path / _LOCK, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)))
    try:
        fcntl.flock(lock.number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # as the system calls it
        return True
    return False


def gone(path: Path) -> bool:
    """Whether it is a directory that nobody needs, whose removal has not come to its end."""
    return path.name.startswith(_GONE)


def hidden(path: Path) -> bool:
    """Whether it is a directory that was never published."""
    return path.name.startswith(_HIDDEN)


def _same(lock: Descriptor, path: Path) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(lock.number), there)
