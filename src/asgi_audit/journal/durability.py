"""How much of a log the disk has, and who waits for it.

A failed sync is never taken for success: what it leaves in doubt is written again, to a new segment.
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from asgi_audit.interruption import Step, held_here
from asgi_audit.journal.base import Listener
from asgi_audit.journal.log import Log
from asgi_audit.journal.syncer import Syncer

Fsync: TypeAlias = Literal["never", "interval", "always"]

_INTERVAL: Final = 0.2  # seconds
_ATTEMPTS: Final = 3  # each on a new segment


class Durability:
    """Has a log synced, in a thread of its own. Thread-safe; `lock` and `step` are those under which the log is used.

    `synced` is called after each time.
    """

    def __init__(
        self, log: Log, mode: Fsync, lock: threading.RLock, step: Step, listener: Listener, synced: Callable[[], None]
    ) -> None:
        #: Held while the log is synced: what takes files away from it waits for that.
        self.busy = threading.RLock()
        self.unsafe: OSError | None = None  # why the disk may not have what was written
        self._log = log
        self._mode = mode
        self._lock = lock
        self._step = step
        self._listener = listener
        self._synced = synced
        self._position = 0  # behind the last record that the disk has
        self._settled = 0  # entries that the disk has
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._syncer = Syncer(self._keep, 0.0 if mode == "always" else _INTERVAL, lock)

    @property
    def readable(self) -> int:
        """The position before which records may be delivered."""
        return self._log.position if self._mode == "never" else self._position

    @property
    def woken(self) -> bool:
        """Whether what was written before will be synced without another word; asked with or without the lock."""
        return self._syncer.woken

    def wake(self) -> None:
        """Something was written. Called under the lock."""
        self._syncer.wake()

    def sync(self) -> None:
        """Wait until the disk has all that was written, or has failed a few times.

        In the middle of writing nobody can wait: a signal handler would stop the very thread that it waits for.
        """
        if held_here(self._lock):
            return
        for _ in range(_ATTEMPTS):
            if self._sync():
                break

    def on_settled(self, done: Callable[[], None]) -> bool:
        """Call `done` once the disk has all that was written; `False` if it has."""
        with self._lock, self._step:
            if self._settled >= self._log.written:
                return False
            self._waiting.append((self._log.written, done))
            self._syncer.wake()
        return True

    def _keep(self) -> None:
        while not self._sync() and self._log.directory is not None:
            time.sleep(_INTERVAL)

    def _sync(self) -> bool:
        with self.busy:
            try:
                with self._lock, self._step:
                    todo = self._log.unconfirmed()
            except OSError as error:
                self.unsafe = OSError(*error.args)
                self._listener.troubled("the journal's directory is gone, and can't be made again", error)
                return False
            try:
                if todo is not None and self._mode != "never":
                    todo.sync()
            except OSError as error:
                self._repeat(error)
                return False
            self.unsafe = None
            with self._lock, self._step:
                if todo is not None:
                    self._log.confirm(todo)
                    self._position, self._settled = todo.place[2], todo.written
                due = [done for written, done in self._waiting if written <= self._settled]
                self._waiting = [each for each in self._waiting if each[0] > self._settled]
            self._listener.readable()
            for done in due:
                done()
            self._synced()
            return True

    def _repeat(self, error: OSError) -> None:
        self.unsafe = OSError(*error.args)
        try:
            with self._lock, self._step:
                self._log.repeat()
        except OSError as another:
            error = another
        self._listener.troubled("the disk did not confirm what was written, which is written again", error)
