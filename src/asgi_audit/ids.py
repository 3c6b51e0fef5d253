"""Identifiers: time-ordered record ids (UUIDv7), and salts.

Random bytes are drawn from the kernel a page at a time and handed out as slices of one hex string. A forked child must
not hand out what its parent will hand out too, so the page is thrown away after a fork.
"""

import os
import threading
import time

from asgi_audit import process

_PAGE_BYTES = 4096
_STEP_BACK = 10_000 << 12  # 10 s in ticks of 1/4096 ms


class RandomPage:
    """Random hex digits, cheap because they are fetched in pages. Not thread-safe: its user holds a lock.

    But safe from its own thread's interruptions by a signal handler or the garbage collector.
    """

    def __init__(self) -> None:
        self._hex = ""
        self._at = 0
        self._taking = False

    def take(self, digits: int) -> str:
        """The next `digits` hex digits, never handed out twice; at most 8,192 at a time."""
        if self._taking:  # by those whom we interrupt: what they are about to take is theirs
            return os.urandom((digits + 1) // 2).hex()[:digits]
        try:
            self._taking = True
            end = self._at + digits
            if end > len(self._hex):
                self._hex = os.urandom(_PAGE_BYTES).hex()
                self._at, end = 0, digits
            piece = self._hex[self._at : end]
            self._at = end
            return piece
        finally:
            self._taking = False


class IdSource:
    """Ids and salts of one process. Thread-safe.

    Ids are UUIDv7 (RFC 9562, section 5.7) with the sub-millisecond fraction of method 3 in `rand_a`: they follow the
    wall clock, strictly increase within the process, and return to the clock after it has stepped back by more than 10
    s.
    """

    def __init__(self) -> None:
        self._renew()
        process.on_fork(self._renew)

    def _renew(self) -> None:
        self._page = RandomPage()
        self._lock = threading.RLock()
        self._last = 0

    def new_id(self) -> str:
        """The next record id, as 36 characters of lower-case text."""
        with self._lock:
            nanoseconds = time.time_ns()
            tick = (nanoseconds // 1_000_000 << 12) | (nanoseconds % 1_000_000) * 4096 // 1_000_000
            if self._last - _STEP_BACK < tick <= self._last:
                tick = self._last + 1
            self._last = tick
            tail = self._page.take(16)
        head = f"{tick:015x}"
        # The variant's two bits are 10: of the first random digit only two bits may stay.
        variant = "89ab"[int(tail[0], 16) & 3]
        return f"{head[:8]}-{head[8:12]}-7{head[12:]}-{variant}{tail[1:4]}-{tail[4:]}"

    def new_salts(self) -> str:
        """Three salts of 16 bytes for the erasable parts `actor`, `target`, `detail`: 96 hex digits."""
        with self._lock:
            return self._page.take(96)
