"""What a journal takes: each record once, in the place of what announced it.

An intent says that a request is about to run, a provisional record stands in for one whose request still runs. Both end
with the record, which names the intent, or, where there was none, the provisional record's id.
"""

from collections.abc import Sequence

from asgi_audit.errors import JournalFull
from asgi_audit.journal.frame import CANCEL, INTENT, NO_INTENT, PROVISIONAL, RECORD, frame
from asgi_audit.journal.log import Log


class _Held:
    """A provisional record, and what it ends: its intent, and itself."""

    __slots__ = ("entry", "keys")

    def __init__(self, record_id: str, entry: bytes, intent: str | None) -> None:
        self.entry = entry
        self.keys = (_key(intent), record_id.encode())


class Intake:
    """Writes to a log what is taken. Every method may raise `OSError`. Not thread-safe: the journal holds its lock."""

    def __init__(self, log: Log) -> None:
        self.held: dict[str, _Held] = {}
        self._promoted: set[str] = set()
        self._log = log

    def intend(self, intent: str, entry: bytes) -> None:
        """Something is about to run. Raises `JournalFull`."""
        key = intent.encode()
        self._log.begin(key, frame(INTENT, key, entry))

    def cancel(self, intent: str) -> None:
        """It is not to be recorded."""
        self._end(intent.encode())

    def take(self, record_id: str, entry: bytes, intent: str | None) -> None:
        """It has ended so. Without room, the provisional record takes its place, else this raises `JournalFull`."""
        if record_id in self._promoted:
            self._promoted.discard(record_id)
            return
        held = self.held.pop(record_id, None)
        if held is not None:
            self._replace(held, entry)
            return
        key = _key(intent)
        try:
            self._log.record(self._line(entry, (key,)), key)
        except (OSError, JournalFull):
            self._end(key)
            raise

    def hold(self, record_id: str, entry: bytes, intent: str | None) -> None:
        """It may yet end otherwise. What is held has room to be recorded. Raises `JournalFull`."""
        held = _Held(record_id, entry, intent)
        before = self.held.get(record_id)
        reserve = len(entry) - (0 if before is None else len(before.entry))
        self._log.begin(held.keys[1], frame(PROVISIONAL, held.keys[1], held.keys[0], entry), reserve)
        self.held[record_id] = held

    def promote(self) -> None:
        """It will not end any more."""
        for record_id, held in list(self.held.items()):
            self._log.record(self._line(held.entry, held.keys), *held.keys, limited=False)
            self._log.reserved -= len(held.entry)
            self._promoted.add(record_id)
            del self.held[record_id]

    def _replace(self, held: _Held, entry: bytes) -> None:
        try:
            try:
                self._log.record(self._line(entry, held.keys), *held.keys, room=len(held.entry))
            except JournalFull:
                self._log.record(self._line(held.entry, held.keys), *held.keys, limited=False)
        except OSError:
            self._end(*held.keys)
            raise
        finally:
            self._log.reserved -= len(held.entry)

    def _line(self, entry: bytes, keys: Sequence[bytes]) -> bytes:
        key = keys[0] if keys[0] != NO_INTENT else keys[-1]
        return frame(RECORD, b"%d" % self._log.claim(), key, entry)

    def _end(self, *keys: bytes) -> None:
        for key in keys:
            self._log.end(key, frame(CANCEL, key))


def _key(intent: str | None) -> bytes:
    return NO_INTENT if intent is None else intent.encode()
