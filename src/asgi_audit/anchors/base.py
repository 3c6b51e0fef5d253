"""Where checkpoints are kept, away from the database, and the line that holds one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable


@runtime_checkable
class Anchor(Protocol):
    """A place outside the database that keeps checkpoints: signed tree heads, each the whole text of its note.

    A checkpoint's first line is its origin. A log is every origin that equals its name or begins with it and a slash.

    The coroutines must not block the event loop that calls them. One process calls them one at a time, in the order in
    which it signed; several processes may share a place. `name` is for messages and holds no credentials.
    """

    name: str

    async def publish(self, checkpoint: str) -> None:
        """Keep it: return when it is kept, raise `OSError` when it may not be.

        Called again with the same checkpoint, or a later one, after a failure; keeping one twice does no harm. It never
        alters or removes what it was given before.
        """

    async def newest(self, log: str) -> str | None:
        """The last checkpoint of the log that it was given.

        None if there is none, or if this kind of place can't be read back. Raises `OSError` if it could be, but failed.
        """

    def read(self) -> Iterator[str]:
        """Every checkpoint of every log, in the order in which they came.

        For a verifier, so it may block. Raises `OSError`, at the latest while it is iterated, and `ConfigurationError`
        if there is nothing that it could read.
        """


def is_of(checkpoint: str, log: str) -> bool:
    """Whether the checkpoint belongs to the log."""
    origin = checkpoint.partition("\n")[0]
    return origin == log or origin.startswith(f"{log}/")


def line_of(checkpoint: str) -> str:
    """The checkpoint and the time, as one line of JSON in ASCII, without its end."""
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"checkpoint": checkpoint, "time": time}, sort_keys=True, separators=(",", ":"))


def checkpoint_in(line: str) -> str | None:
    """The checkpoint in a line that may have passed a log formatter; None if it holds none or is torn.

    Whether it is well formed, and who signed it, is for a verifier to say.
    """
    # A formatter may have written braces of its own; then the form that `line_of` makes is looked for among them.
    for start in (line.find("{"), line.rfind('{"checkpoint":')):
        if start >= 0 and (checkpoint := _checkpoint_at(line, start)) is not None:
            return checkpoint
    return None


def _checkpoint_at(line: str, start: int) -> str | None:
    try:
        found, _ = _decoder.raw_decode(line, start)
        checkpoint = found.get("checkpoint")
        if not isinstance(checkpoint, str):
            return None
        checkpoint.encode()  # JSON can spell surrogates, which no note has and no verifier could hash
    except (ValueError, RecursionError):
        return None
    return checkpoint


_decoder = json.JSONDecoder()
