"""Anchors that are asked what they know: one that can't tell is named, and the database not blamed for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asgi_audit.anchors import Anchor, LoggerAnchor, as_anchor
from asgi_audit.cli.exits import CommandFailed, Exit


def anchors_to_read(given: Sequence[str]) -> list[Anchor]:
    """The anchors that were named on the command line, to be read."""
    found = [as_anchor(each) for each in given]
    for anchor in found:
        if isinstance(anchor, LoggerAnchor):
            raise CommandFailed(f"{anchor.name} can't be read; give the file that its lines go to", Exit.USAGE)
    return [NamedAnchor(anchor) for anchor in found]


class NamedAnchor:
    """An anchor whose `OSError`, when it is asked, becomes `CommandFailed`."""

    def __init__(self, anchor: Anchor) -> None:
        self.name = anchor.name
        self._anchor = anchor

    async def publish(self, checkpoint: str) -> None:
        """As `Anchor` has it."""
        await self._anchor.publish(checkpoint)

    async def newest(self, log: str) -> str | None:
        """As `Anchor` has it."""
        with self._named():
            return await self._anchor.newest(log)

    def read(self) -> Iterator[str]:
        """As `Anchor` has it."""
        with self._named():
            yield from self._anchor.read()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            said = str(error)  # which may name it already
            where = "" if self.name in said else f" {self.name}"
            raise CommandFailed(f"the anchor{where} can't be read: {said}", Exit.DATABASE) from error
