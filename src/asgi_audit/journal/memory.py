"""A journal in memory: for tests, read-only file systems, and wherever a process may take its last records with it."""

import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from asgi_audit.errors import ConfigurationError, JournalFull
from asgi_audit.interruption import Step
from asgi_audit.journal.base import Batch, Listener, Progress, Queue
from asgi_audit.journal.entry import read_entry
from asgi_audit.journal.reader import Reader
from asgi_audit.record import Record, encode

_ENTRY_OVERHEAD: Final = 41  # a bytes object's header and its place in the list
_LEAST_BYTES: Final = 16 * 2**10  # an eighth of it must hold a few loss records
_COMPACT_AFTER: Final = 1024  # entries


class MemoryJournal:
    """A bounded queue of encoded records; see `Journal`. Nothing of it survives the process.

    Bytes cost the garbage collector nothing, and nobody can change them while they wait.
    """

    durable = False
    synchronous = False
    deadline = 2.0
    _listener: Listener

    def __init__(self, *, max_bytes: int = 64 * 2**20) -> None:
        if max_bytes < _LEAST_BYTES:
            raise ConfigurationError("max_bytes", max_bytes, f"give the journal some room, at least {_LEAST_BYTES}")
        self._max_bytes = max_bytes
        self._lanes: tuple[str, ...] = ()
        self.renew()

    def renew(self) -> None:
        """Become a new, empty writer."""
        self.writer = os.urandom(16).hex()
        self._lock = threading.RLock()
        self._step = Step(self._lock)
        self._entries: list[bytes] = []  # those before the first one are empty
        self._base = 0  # the position of the list's beginning
        self._first = 0  # the position of the first entry that is still there
        self._bytes = 0
        self._held: dict[str, bytes] = {}
        self._promoted: set[str] = set()
        self._readers = {lane: Reader() for lane in self._lanes}

    def attach(self, lanes: Sequence[str], listener: Listener) -> None:
        """Name those who read; the first is the primary one."""
        if self._lanes:
            raise ConfigurationError("journal", self, "a journal serves one trail; give each trail its own")
        self._lanes = tuple(lanes)
        self._listener = listener
        self.renew()

    def intend(self, intent: Record) -> None:
        """Nothing: there will be no successor to read it."""

    def cancel(self, intent: str) -> None:
        """Nothing."""

    def append(self, record: Record, intent: str | None = None) -> None:  # noqa: ARG002 - see Journal
        """Take the record, or the one held under its id, or raise `JournalFull`."""
        entry = _exact(encode(record))
        if self._step.interrupted:
            self._step.put_off(partial(self._take, record.id, entry, put_off=True))
        else:
            self._step.run(self._take, record.id, entry)
        self._listener.readable()

    def hold(self, record: Record, intent: str | None = None) -> None:  # noqa: ARG002 - see Journal
        """Keep a provisional record until the final one comes."""
        entry = _exact(encode(record))
        with self._lock, self._step:
            self._reserve(_size(entry))
            self._bytes -= _size(self._held[record.id]) if record.id in self._held else 0
            self._held[record.id] = entry

    def promote(self) -> None:
        """Append what is still held."""
        with self._lock, self._step:
            self._entries += self._held.values()
            self._promoted |= self._held.keys()
            self._held.clear()

    def held(self) -> frozenset[str]:
        """The ids of the provisional records."""
        with self._lock, self._step:
            return frozenset(self._held)

    def read(self, lane: str, limit: int) -> Batch:
        """The lane's next records, at most `limit`."""
        with self._lock, self._step:
            reader = self._readers[lane]
            reader.skip(self._first)
            start = reader.acknowledged
            entries = self._entries[start - self._base : start - self._base + limit]
            reader.handed = start + len(entries)
        records = [
            msgspec.structs.replace(read_entry(entry), writer=self.writer, seq=seq)
            for seq, entry in enumerate(entries, start)
        ]
        return Batch(records, start + len(records))

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`."""
        with self._lock, self._step:
            reader = self._readers[lane]
            reader.acknowledge(position, self._first)
            self._forget(min(reader.acknowledged for reader in self._readers.values()))

    def progress(self, lane: str) -> Progress:
        """How far the lane has come."""
        with self._lock, self._step:
            end = self._base + len(self._entries)
            reader = self._readers[lane]
            return reader.progress(first=self._first, position=end, readable=end, held=len(self._held))

    def sync(self) -> None:
        """All is readable at once."""

    def on_settled(self, done: Callable[[], None]) -> bool:  # noqa: ARG002 - see Journal
        """Nobody need wait for a disk."""
        return False

    def look(self) -> None:
        """Nobody leaves anything."""

    def backlog(self) -> Sequence[Queue]:
        """Nothing is left by anybody."""
        return ()

    def problems(self) -> list[str]:
        """Memory does not fail."""
        return []

    def notes(self) -> list[str]:
        """That it does not last."""
        return ["the journal is in memory: what is pending when the process dies is lost"]

    def close(self) -> None:
        """What is still there waits for the trail to open again."""

    def _take(self, record_id: str, entry: bytes, *, put_off: bool = False) -> None:
        if record_id in self._promoted:
            self._promoted.discard(record_id)
            return
        held = self._held.pop(record_id, None)
        if held is not None:
            self._bytes -= _size(held)
        try:
            self._reserve(_size(entry))
        except JournalFull:
            if held is not None:
                entry = held
            elif not put_off:  # else there is nobody any more to be told, and it is but one
                raise
            self._bytes += _size(entry)
        self._entries.append(entry)

    def _reserve(self, size: int) -> None:
        """Take up so many bytes. If need be, lanes behind the primary one give up their oldest records.

        They give up an eighth of the journal at once: then one loss record tells of many, and has room itself.
        """
        room = self._max_bytes - self._bytes
        if room < size:
            done = self._readers[self._lanes[0]].acknowledged
            end = self._first
            while room < max(size, self._max_bytes // 8) and end < done:
                room += _size(self._entries[end - self._base])
                end += 1
            if room < size:
                raise JournalFull(f"{self._max_bytes} bytes of records wait for {self._lanes[0]}")
            self._forget(end)
        self._bytes += size

    def _forget(self, position: int) -> None:
        for at in range(self._first - self._base, position - self._base):
            self._bytes -= _size(self._entries[at])
            self._entries[at] = b""
        self._first = max(self._first, position)
        # Now and then only: to cut off a list's head moves all the rest.
        if (gone := self._first - self._base) > max(_COMPACT_AFTER, len(self._entries) // 2):
            del self._entries[:gone]
            self._base = self._first


def _exact(entry: bytes) -> bytes:
    """The entry in no more memory than it needs: the encoder leaves room behind it, up to half of its size."""
    return bytes(memoryview(entry))


def _size(entry: bytes) -> int:
    return len(entry) + _ENTRY_OVERHEAD
