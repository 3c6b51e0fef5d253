"""An anchor that can be out of reach, and remembers what it has taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note


@dataclass
class Taken:
    """A checkpoint, and the ids of the records in its tree, once somebody has said so."""

    origin: str
    size: int
    signed: bool
    ids: list[str] | None = None


class FailingAnchor:
    """Keeps checkpoints in a file, unless it is full, or away."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._file = FileAnchor(path)
        self.name = self._file.name
        self.full = self.away = False
        self.taken: list[Taken] = []

    async def publish(self, note: str) -> None:
        if self.full or self.away:
            raise OSError("no room")
        await self._file.publish(note)
        parsed = Note.parse(note)
        checkpoint = Checkpoint.parse(parsed.text)
        self.taken.append(Taken(checkpoint.origin, checkpoint.size, bool(parsed.signatures)))

    async def newest(self, log: str) -> str | None:
        if self.away:
            raise OSError("no route")
        return await self._file.newest(log)

    def read(self) -> Iterator[str]:
        return self._file.read()
