"""An application under audit, whose journal is in a place that will fail."""

import asyncio
from pathlib import Path

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal, Journal
from asgi_audit.record import Kind, Record
from asgi_audit.sinks import Sink
from asgi_audit.testing import MemorySink

_AT_ONCE = Delivery(linger=0.0, retry_first=0.001, retry_most=0.01)


class Service:
    """Answers each POST with 201; what goes to /payments must be on record before. Counts what its handler has seen."""

    def __init__(self, journal: Journal | Path, sink: Sink | None = None, name: str | None = None) -> None:
        self.kept = MemorySink()
        self.issued = self.entered = 0
        required = Rule(Level.METADATA, paths=["/payments"], required=True)
        self.trail = AuditTrail(
            self.kept if sink is None else sink,
            policy=Policy([required, *Policy.mutations]),
            journal=FileJournal(journal) if isinstance(journal, Path) else journal,
            service=name,
            delivery=_AT_ONCE,
        )
        self.app = AuditMiddleware(self._answer, self.trail)

    def post(self, count: int = 1, path: str = "/orders") -> set[int]:
        """Issue so many requests, one after the other; the statuses they got."""
        return asyncio.run(self._post(count, path))

    def balance(self) -> dict[str, int]:
        """What was issued, and what has become of it."""
        lost = sum((record.data or {})["records"] for record in self.kept.everything if record.kind is Kind.LOSS)
        return {"issued": self.issued, "stored": len(self.kept.records), "declared lost": lost}

    def owes_nothing(self) -> bool:
        """Whether each request is stored, or declared as lost, and none twice."""
        balance = self.balance()
        return balance["issued"] == balance["stored"] + balance["declared lost"] and gapless(self.kept.everything)

    async def _post(self, count: int, path: str) -> set[int]:
        statuses = set()

        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.add(message["status"])

        for _ in range(count):
            self.issued += 1
            scope: Scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
            await self.app(scope, receive, send)
        return statuses

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"x"})


def gapless(records: list[Record]) -> bool:
    """Whether each writer's records are numbered from 0 without a gap."""
    numbers: dict[str | None, list[int | None]] = {}
    for record in records:
        numbers.setdefault(record.writer, []).append(record.seq)
    return all(found == [*range(len(found))] for found in numbers.values())


def segments(place: Path) -> list[Path]:
    """The segments of all writers, the oldest first."""
    return sorted(place.glob("*/*.seg"))
