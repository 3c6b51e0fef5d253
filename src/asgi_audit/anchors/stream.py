"""Checkpoints in streams of lines that others may have written to as well.

Lines without a checkpoint are passed over, and so are those longer than `LONGEST_LINE`, of which no more than that is
held in memory. Bytes that are no UTF-8 spoil nothing but the text they stand in.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from asgi_audit.anchors.base import checkpoint_in

LONGEST_LINE: Final = 1 << 20
BLOCK: Final = 1 << 18


def checkpoints(blocks: Iterable[bytes]) -> Iterator[str]:
    """From the first to the last."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from _in_lines(lines)
        rest = rest[: LONGEST_LINE + 1]  # one too many marks it
    yield from _in_lines([rest])


def checkpoints_backwards(blocks: Iterable[bytes]) -> Iterator[str]:
    """From the last to the first, out of blocks that come in that order."""
    rest = b""
    for block in blocks:
        rest, *lines = (block + rest).split(b"\n")
        yield from _in_lines(reversed(lines))
        rest = rest[: LONGEST_LINE + 1]
    yield from _in_lines([rest])


def _in_lines(lines: Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        if b'"checkpoint"' in line and len(line) <= LONGEST_LINE:
            checkpoint = checkpoint_in(line.decode(errors="replace"))
            if checkpoint is not None:
                yield checkpoint
