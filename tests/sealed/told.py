"""An anchor in memory, for whom a test can wait."""

import asyncio
import threading
from collections.abc import Callable, Iterator

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note

PATIENCE = 30.0  # seconds until a test gives up


class ToldAnchor:
    """Keeps what it is told. While `hanging` it answers nobody; `error`, if there is one, is its answer."""

    def __init__(self) -> None:
        self.name = "told"
        self.notes: list[str] = []
        self.hanging = False
        self.error: Exception | None = None
        self.asked = 0
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Of the newest checkpoint."""
        return Checkpoint.parse(Note.parse(self.notes[-1]).text).size if self.notes else 0

    async def publish(self, checkpoint: str) -> None:
        await self._behave()
        with self._changed:
            self.notes.append(checkpoint)
            self._changed.notify_all()

    async def newest(self, log: str) -> str | None:
        with self._changed:
            self.asked += 1
            self._changed.notify_all()
        await self._behave()
        return self.notes[-1] if self.notes else None

    def read(self) -> Iterator[str]:
        yield from self.notes

    def wait(self, condition: Callable[[], bool]) -> None:
        """Block until it holds; it is asked whenever the anchor is asked or told."""
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE)

    def wait_for_passes(self, more: int) -> None:
        """Block until so many more passes have begun: those before the last have come to an end."""
        target = self.asked + more
        self.wait(lambda: self.asked >= target)

    async def _behave(self) -> None:
        while self.hanging:  # until a test in another thread says otherwise
            await asyncio.sleep(0.005)
        if self.error is not None:
            raise self.error
