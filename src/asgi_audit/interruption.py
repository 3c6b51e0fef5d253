"""Steps that may be interrupted by their own thread.

A signal handler runs between any two bytecodes of the main thread, and the garbage collector may end a request (by a
`GeneratorExit`) in whichever thread it runs. Both may record, while that very thread is in the middle of recording. A
lock that its holder can't take again would stop the thread for ever, and one that it can does not keep it out.
"""

import threading
from collections.abc import Callable


class Step:
    """Entered under an `RLock`: `with lock, step`. What must not happen in its middle is put off to its end.

    An exception that a signal handler raises may leave a step anywhere, also before its end has been noted: so what
    counts is who holds the lock, and the outermost step begins anew.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._depth = 0
        self._put_off: list[Callable[[], None]] = []

    @property
    def interrupted(self) -> bool:
        """Whether our own thread is in the middle of a step; asked before the lock is taken."""
        return self._depth > 0 and held_here(self._lock)

    def put_off(self, work: Callable[[], None]) -> None:
        """Have the step that was interrupted do the work, which does not raise, at its end."""
        self._put_off.append(work)

    def run(self, work: Callable[..., None], *arguments: object) -> None:
        """Do the work under the lock as the outermost step, where `interrupted` was denied."""
        with self._lock:
            self._depth = 1
            try:
                work(*arguments)
            finally:
                self.__exit__()

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._put_off:
            self._catch_up()

    def _catch_up(self) -> None:
        """An interruption that comes here does what it has to do itself, and what was put off before."""
        while self._put_off and not self._depth:
            self._depth += 1
            works, self._put_off = self._put_off, []
            for work in works:
                work()
            self._depth -= 1


def held_here(lock: threading.RLock) -> bool:
    """Whether our own thread holds the lock, as `threading.Condition` asks."""
    return bool(lock._is_owned())  # type: ignore[attr-defined]
