"""Where batches of records go."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from asgi_audit.record import Record


@runtime_checkable
class Sink(Protocol):
    """A destination for records.

    All three run in the trail's delivery thread, in its own event loop, never two at a time for one sink. They must not
    block that loop; a plain function given as a sink runs in a thread of its own instead. A sink may have a `name`
    attribute: stable, unique within its trail, without credentials; otherwise its class names it.
    """

    async def open(self) -> None:
        """Make ready. Called before the first write, again if it raised, and again in a forked child."""

    async def write(self, records: Sequence[Record]) -> None:
        """Store the batch: return when all of it is stored, raise when not all of it may be.

        Called again with the same records after a failure, so it must be idempotent by `record.id`. Raise
        `RecordRejected` when a record in the batch will never be accepted: the batch is then divided until the record
        stands alone.
        """

    async def close(self) -> None:
        """Release what `open` took. Called once, after the last write."""
