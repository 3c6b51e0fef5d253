"""What dead writers have left in a place, and who may have it: whoever gets the lock."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from asgi_audit.journal.base import Listener
from asgi_audit.journal.directory import SEGMENTS, WriterDirectory, discard, gone, hidden, is_writers
from asgi_audit.journal.estate import Estate
from asgi_audit.journal.recovery import recover
from asgi_audit.journal.remains import Remains
from asgi_audit.journal.segment import UnknownFormat

_MOST: Final = 64  # at a time: the rest waits, or is taken by other workers
_FRESH: Final = 10.0  # seconds in which whoever makes a directory has locked it


class Backlog:
    """Looks for dead writers' directories, and takes those that have something for our lanes. One thread looks."""

    def __init__(self, place: Path, lanes: Sequence[str], listener: Listener) -> None:
        self._place = place
        self._lanes = lanes
        self._listener = listener
        self._estates: tuple[Estate, ...] = ()
        self._left: set[str] = set()  # those that are not for us, by their names
        self._looking = False

    @property
    def estates(self) -> Sequence[Estate]:
        """What was taken and is not yet delivered."""
        return [estate for estate in self._estates if not estate.finished]

    @property
    def left(self) -> int:
        """How many directories wait for others, because of their lanes or their format."""
        return sum((self._place / name).exists() for name in self._left)

    @property
    def bytes(self) -> int:
        """What they take up that the primary lane waits for; for what others alone have to store, nobody makes room."""
        return sum(estate.bytes for estate in self.estates if not estate.lagging)

    def look(self) -> None:
        """Take what there is, the oldest first. Never raises."""
        self._looking = True
        try:
            paths = sorted((path for path in self._place.iterdir() if is_writers(path)), key=_age)
        except OSError:
            return  # nobody has written here yet, or it is gone
        for path in paths:
            if sum(not estate.lagging for estate in self.estates) < _MOST and path.name not in self._left:
                try:
                    self._consider(path)
                except UnknownFormat:
                    self._left.add(path.name)
                    self._listener.troubled(f"{path} is of a newer format, and was left alone")
                except OSError as error:
                    self._listener.troubled("what a dead writer has left could not be taken over", error)
                except Exception as error:  # noqa: BLE001 - whatever stands there, it must not keep others waiting
                    self._left.add(path.name)
                    self._listener.troubled("what a dead writer has left can't be read, and was left alone", error)

    def release(self) -> None:
        """Leave all to others, also what is just being taken."""
        self._looking = False
        for estate in self.estates:
            estate.release()
        self._estates = ()

    def _consider(self, path: Path) -> None:
        if gone(path):
            discard(path)
            return
        if hidden(path) and not any(path.glob(SEGMENTS)) and abs(time.time() - _age(path)) < _FRESH:
            return  # its writer may be between making its lock and taking it
        directory = WriterDirectory.take(path)
        if directory is None:
            if hidden(path):
                with suppress(OSError):  # its writer died before it had made the lock, if it is empty
                    path.rmdir()
            return
        remains = Remains(directory, self._lanes)
        if hidden(path):  # its writer died before it had shown it
            if remains.empty:
                directory.remove()
                return
            directory.publish()
            remains = Remains(directory, self._lanes)
        heirs = [lane for lane in self._lanes if lane in remains.lanes]
        if not heirs:
            self._left.add(path.name)
            return
        if not remains.recovered:
            recover(remains, self._listener)
            remains = Remains(directory, self._lanes)
        estate = Estate(remains, heirs, self._lanes[0], self._listener)
        if estate.finished:
            self._left.add(path.name)
        elif self._looking:
            self._estates = (*self.estates, estate)
        else:
            estate.release()


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # somebody else has just removed it
        return 0.0
