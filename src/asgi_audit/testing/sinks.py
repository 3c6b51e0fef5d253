"""Sinks for tests: one that keeps, one that fails."""

from collections.abc import Sequence

from asgi_audit.record import APPLICATION_KINDS, Record


class MemorySink:
    """Keeps records in lists. `records` are what the application did, `everything` includes what the trail says."""

    name = "memory"
    volatile = True

    def __init__(self) -> None:
        self.everything: list[Record] = []
        self._known: set[str] = set()

    @property
    def records(self) -> list[Record]:
        """The records of requests, connections and events."""
        return [record for record in self.everything if record.kind in APPLICATION_KINDS]

    async def open(self) -> None:
        """Nothing is to be done."""

    async def write(self, records: Sequence[Record]) -> None:
        """Keep those that are new."""
        for record in records:
            if record.id not in self._known:
                self._known.add(record.id)
                self.everything.append(record)

    async def close(self) -> None:
        """Nothing is to be done; the records stay."""


class FailingSink:
    """Fails as long as `error` is set, then keeps records as `MemorySink` does."""

    name = "failing"
    volatile = True

    def __init__(self, error: Exception | None = None) -> None:
        self.error: Exception | None = ConnectionError("the sink is down") if error is None else error
        self.kept = MemorySink()
        self.attempts = 0

    async def open(self) -> None:
        """Nothing is to be done."""

    async def write(self, records: Sequence[Record]) -> None:
        """Fail, or keep."""
        self.attempts += 1
        if self.error is not None:
            raise self.error
        await self.kept.write(records)

    async def close(self) -> None:
        """Nothing is to be done."""
