"""Identifiers: time-ordered record ids (UUIDv7), and salts.

Random bytes are drawn from the kernel many at a time, and each is handed out once. A forked child must not hand out
what its parent will hand out too, so what is left is thrown away after a fork.
"""

import os
import struct
import threading
import time
from typing import Final

from asgi_audit import process

_STEP_BACK: Final = 10_000 << 12  # 10 s in ticks of 1/4096 ms
_CHUNK: Final = struct.Struct("8s48s")  # the random tail of an id, and three salts
_CHUNKS: Final = 128
#: The variant's two bits are 10 (RFC 9562, section 4.1).
_VARIANT: Final = bytes(0x80 | byte & 0x3F for byte in range(256))


class Randomness:
    """Random bytes for one record after the other: the tail of its id, and its salts.

    Thread-safe, and safe from its own thread's interruptions by a signal handler or the garbage collector: a list's
    `pop` gives a chunk to one alone.
    """

    def __init__(self) -> None:
        self._chunks: list[tuple[bytes, bytes]] = []

    def take(self) -> tuple[bytes, bytes]:
        """The next tail and salts, never handed out twice."""
        try:
            return self._chunks.pop()
        except IndexError:
            page = bytearray(os.urandom(_CHUNK.size * _CHUNKS))
            page[:: _CHUNK.size] = page[:: _CHUNK.size].translate(_VARIANT)
            chunks: list[tuple[bytes, bytes]] = list(_CHUNK.iter_unpack(page))
            taken = chunks.pop()
            self._chunks = chunks  # another thread's may be lost here, which nobody has seen
            return taken


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
        self._random = Randomness()
        self._lock = threading.RLock()
        self._last = 0

    def new(self) -> tuple[str, str]:
        """The next record id, as 36 characters of lower-case text, and three salts of 16 bytes, as 96 hex digits."""
        tail, salts = self._random.take()
        with self._lock:
            tick = time.time_ns() * 4096 // 1_000_000
            if self._last - _STEP_BACK < tick <= self._last:
                tick = self._last + 1
            self._last = tick
        head = (tick >> 12 << 16 | 0x7000 | tick & 0xFFF).to_bytes(8, "big").hex("-", 2)
        return f"{head[:4]}{head[5:]}-{tail.hex('-', 6)}", salts.hex()

    def new_id(self) -> str:
        """The next record id alone."""
        return self.new()[0]

    def new_salts(self) -> str:
        """Three salts alone, for the erasable parts `actor`, `target`, `detail`."""
        return self._random.take()[1].hex()
