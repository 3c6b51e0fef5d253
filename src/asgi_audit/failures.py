"""Our own failures: counted, logged once a minute per kind, never raised into the application."""

import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable

from asgi_audit import process

logger = logging.getLogger("asgi_audit")

_QUIET_SECONDS = 60.0
_RECENT_SECONDS = 600.0


class Failures:
    """Counts of what went wrong, by kind. Thread-safe.

    Logs where an exception arose and its class, not its message: that may hold what a client has sent. `detail` is for
    words that are known to be harmless.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._logged: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._renew()
        process.on_fork(self._renew)

    def note(self, kind: str, error: BaseException | None = None, detail: str | None = None) -> None:
        """Count a failure, and log it unless one of its kind was logged within the last minute."""
        now = self._clock()
        with self._lock:
            self._counts[kind] += 1
            self._last[kind] = now
            count = self._counts[kind]
            if now - self._logged.get(kind, -_QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._logged[kind] = now
        try:
            said = "".join(f": {part}" for part in (None if error is None else _place(error), detail) if part)
            logger.warning("%s%s (%d so far; said at most once a minute)", kind, said, count)
        except Exception:  # noqa: BLE001, S110 - the application's log handlers, or its exception: where would it be said?
            pass

    def recent(self) -> dict[str, int]:
        """`counts` of those kinds alone that have happened in the last ten minutes."""
        since = self._clock() - _RECENT_SECONDS
        with self._lock:
            return {kind: self._counts[kind] for kind, last in dict(self._last).items() if last > since}

    def _renew(self) -> None:
        self._lock = threading.RLock()  # one that is interrupted by itself may miscount by one

    def counts(self) -> dict[str, int]:
        """How often each kind has happened."""
        with self._lock:
            return dict(self._counts)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    where = "".join(f" at {frame.filename}:{frame.lineno}" for frame in frames)
    return f"{type(error).__name__}{where}"
