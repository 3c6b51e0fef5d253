"""A journal in memory: for tests, and wherever a dying process may take its last records with it."""

import os
import threading
from collections.abc import Sequence
from typing import Final

import msgspec

from asgi_audit.errors import ConfigurationError, JournalFull
from asgi_audit.journal.base import Batch, Progress
from asgi_audit.record import Record, decode, encode

_ENTRY_OVERHEAD: Final = 41  # a bytes object's header and its place in the list


class MemoryJournal:
    """A bounded queue of encoded records; see `Journal`. Nothing of it survives the process.

    Bytes cost the garbage collector nothing, and nobody can change them while they wait.
    """

    durable = False

    def __init__(self, *, max_bytes: int = 64 * 2**20) -> None:
        if max_bytes < 1:
            raise ConfigurationError("max_bytes", max_bytes, "give the journal some room, as in max_bytes=64 * 2**20")
        self._max_bytes = max_bytes
        self._lanes: tuple[str, ...] = ()
        self.renew()

    def renew(self) -> None:
        """Become a new, empty writer."""
        self.writer = os.urandom(16).hex()
        self._lock = threading.Lock()
        self._entries: list[bytes] = []
        self._first = 0  # the position of the first entry
        self._bytes = 0
        self._held: dict[str, Record] = {}
        self._cursors = dict.fromkeys(self._lanes, 0)
        self._given_up = dict.fromkeys(self._lanes, 0)

    def attach(self, lanes: Sequence[str]) -> None:
        """Name those who read; the first is the primary one."""
        self._lanes = tuple(lanes)
        self.renew()

    def append(self, record: Record) -> None:
        """Take the record, or raise `JournalFull`."""
        entry = encode(record)
        size = len(entry) + _ENTRY_OVERHEAD
        with self._lock:
            if self._bytes + size > self._max_bytes:
                self._make_room(size)
            self._held.pop(record.id, None)
            self._entries.append(entry)
            self._bytes += size

    def hold(self, record: Record) -> None:
        """Keep a provisional record until the final one comes."""
        with self._lock:
            self._held[record.id] = record

    def promote(self) -> None:
        """Append what is still held."""
        with self._lock:
            held = list(self._held.values())
        for record in held:
            self.append(record)

    def held(self) -> frozenset[str]:
        """The ids of the provisional records."""
        with self._lock:
            return frozenset(self._held)

    def read(self, lane: str, limit: int) -> Batch:
        """The lane's next records, at most `limit`."""
        with self._lock:
            start = self._cursors[lane]
            entries = self._entries[start - self._first : start - self._first + limit]
        records = [
            msgspec.structs.replace(decode(entry), writer=self.writer, seq=seq)
            for seq, entry in enumerate(entries, start)
        ]
        return Batch(records, start + len(records))

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`."""
        with self._lock:
            self._cursors[lane] = max(self._cursors[lane], position)
            self._forget(min(self._cursors.values()))

    def progress(self, lane: str) -> Progress:
        """How far the lane has come."""
        with self._lock:
            position = self._first + len(self._entries)
            return Progress(position, self._cursors[lane], self._given_up[lane], len(self._held))

    def _make_room(self, size: int) -> None:
        """Let lanes behind the primary one give up their oldest records, as many as needed."""
        done = self._cursors[self._lanes[0]]
        end, room = self._first, self._max_bytes - self._bytes
        while room < size and end < done:
            room += len(self._entries[end - self._first]) + _ENTRY_OVERHEAD
            end += 1
        if room < size:
            raise JournalFull(
                f"the journal's {self._max_bytes} bytes are used up by records that wait for {self._lanes[0]}"
            )
        for lane, cursor in self._cursors.items():
            if cursor < end:
                self._given_up[lane] += end - cursor
                self._cursors[lane] = end
        self._forget(end)

    def _forget(self, position: int) -> None:
        gone = position - self._first
        self._bytes -= sum(map(len, self._entries[:gone])) + gone * _ENTRY_OVERHEAD
        del self._entries[:gone]
        self._first = position
