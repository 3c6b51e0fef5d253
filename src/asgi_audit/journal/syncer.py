"""The thread that sees to it that the disk has what was written."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

_IDLE_SECONDS: Final = 5.0


class Syncer:
    """Does its work soon after it was woken, and then not again before `interval` seconds are over.

    The thread ends when there is nothing to do for a while, so that it keeps no forgotten journal alive. `lock` is the
    one under which it is woken.
    """

    def __init__(self, work: Callable[[], None], interval: float, lock: threading.RLock) -> None:
        self._work = work
        self._interval = interval
        self._lock = lock
        self._thread: threading.Thread | None = None
        self.woken = False  # until the work begins, which then sees all that was written before
        self._bell: SimpleQueue[None] = SimpleQueue()  # which a signal handler may use, too

    def wake(self) -> None:
        """There is something to do. Called under the lock, and cheap if it was woken before."""
        if not self.woken and (self._thread is not None or self._start()):
            self.woken = True
            self._bell.put(None)

    def _start(self) -> bool:
        thread = threading.Thread(target=self._run, name="asgi-audit-sync", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is about to end: closing the trail syncs
            return False
        self._thread = thread
        return True

    def _run(self) -> None:
        while self._wait():
            self.woken = False  # first: what is written during the work needs another round
            self._work()
            if self._interval:
                time.sleep(self._interval)

    def _wait(self) -> bool:
        try:
            self._bell.get(timeout=_IDLE_SECONDS)
        except Empty:
            with self._lock:
                if self._bell.empty():
                    self._thread = None
                    return False
                self._bell.get()
        return True
