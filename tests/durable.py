"""A journal that stands in for a disk: it remembers intents, and tests say when it is settled and how it fails."""

import threading
from collections.abc import Callable

from asgi_audit import MemoryJournal, Record
from asgi_audit.record import encode


class DurableJournal(MemoryJournal):
    """What only a disk does, in memory, and visible: which intents there are, and how each of them has ended.

    Nothing of it survives the process; that is for the tests of the real journal. While `settling` is set, what is
    appended is settled at once; else `settle` does it. `broken` is raised instead of taking an intent.
    """

    durable = True

    def __init__(self, *, synchronous: bool = False, deadline: float = 20.0) -> None:
        super().__init__()
        self.synchronous = synchronous
        self.deadline = deadline
        self.settling = True
        self.broken: Exception | None = None
        self.intents: list[Record] = []
        self.ended: list[tuple[str, str]] = []  # an intent's id, and that of its record or "cancelled"
        self.provisional: list[tuple[str | None, str]] = []  # an intent's id, and that of what is held for it
        self.asked = threading.Event()  # somebody waits until it is settled
        self.waits = 0
        self._waiting: list[Callable[[], None]] = []

    @property
    def open(self) -> list[str]:
        """The ids of the intents that have not ended: what a successor would find, and call interrupted."""
        ended = {intent for intent, _ in self.ended}
        return [intent.id for intent in self.intents if intent.id not in ended]

    def intend(self, intent: Record) -> None:
        """Remember it, if it could be written."""
        if self.broken is not None:
            raise self.broken
        encode(intent)
        self.intents.append(intent)

    def cancel(self, intent: str) -> None:
        """Remember it."""
        self.ended.append((intent, "cancelled"))

    def append(self, record: Record, intent: str | None = None) -> None:
        """Take the record; remember which intent it fulfils."""
        super().append(record, intent)
        if intent is not None:
            self.ended.append((intent, record.id))

    def hold(self, record: Record, intent: str | None = None) -> None:
        """Hold it; remember what for."""
        super().hold(record, intent)
        self.provisional.append((intent, record.id))

    def on_settled(self, done: Callable[[], None]) -> bool:
        """Have it called now or by `settle`."""
        if not self.synchronous:
            return False
        self.waits += 1
        if self.settling:
            done()
        else:
            self._waiting.append(done)
        self.asked.set()
        return True

    def settle(self) -> None:
        """Tell all who wait, as from a thread that syncs."""
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done()
