"""How a batch gets into the table, which each database does best in a way of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from asgi_audit.errors import RecordRejected
from asgi_audit.record import Record


class Writer(Protocol):
    """Writes batches over one open connection. After any exception but `RecordRejected` it is not used again."""

    async def prepare(self) -> None:
        """Set up the connection, before the tables are looked at."""

    def abandon(self) -> "asyncio.Future[Any] | None":
        """Have a thread of the driver's end once it can; the future, if there is one, tells when."""

    async def write(self, records: Sequence[Record]) -> None:
        """Store the batch; rows that are already there stay as they are. Never reads the table."""


class SequenceConflict(RecordRejected):
    """Another record already has this writer and seq: two processes write as one, or a row is forged.

    The record itself is sound. It is rejected all the same, because trying again would hold up those behind it.
    """

    def __init__(self) -> None:
        super().__init__("another record already has this writer and seq")
