"""One anchor during a pass of the sealer: what it knew before, and what became of what it was told."""

import asyncio
from collections.abc import Iterable
from typing import Final

from asgi_audit.anchors import Anchor
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import MalformedNote, Note

_PATIENCE: Final = 30.0  # seconds for one answer


class Inquiry:
    """Asks first, tells last; what goes wrong with either is a trouble, in words, and stops nothing."""

    def __init__(self, anchor: Anchor) -> None:
        self.name = anchor.name
        self.checkpoint: Checkpoint | None = None
        self.note: str | None = None
        self.trouble: str | None = None
        self._anchor = anchor

    async def ask(self, logs: Iterable[str]) -> None:
        """Find out what it knows of the first of these logs that it knows."""
        try:
            async with asyncio.timeout(_PATIENCE):
                for log in logs:
                    if self.note is None:
                        self.note = await self._anchor.newest(log)
            if self.note is not None:
                self.checkpoint = Checkpoint.parse(Note.parse(self.note).text)
        except Exception as error:  # noqa: BLE001 - an anchor may be anybody's
            self.trouble = f"{self.name} can't be read: {self._said(error)}"

    async def tell(self, note: str | None) -> None:
        """Have it keep the checkpoint, unless it has it."""
        if note is None or note == self.note:
            return
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._anchor.publish(note)
        except Exception as error:  # noqa: BLE001
            self.trouble = f"{self.name} did not take the checkpoint: {self._said(error)}"

    def _said(self, error: Exception) -> str:
        """In words that hold no secrets: those of an error that no anchor should raise might."""
        if not isinstance(error, OSError | MalformedNote):
            return type(error).__name__
        return str(error).removeprefix(f"{self.name}: ") or f"no answer within {_PATIENCE:g} s"
