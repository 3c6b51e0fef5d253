"""Records to print."""

from datetime import UTC, datetime
from typing import Any

from asgi_audit.ids import IdSource
from asgi_audit.record import Actor, Kind, Outcome, Record, Request, Response, Source, Target

IDS = IdSource()


def a_record(**fields: Any) -> Record:
    """A denied DELETE of Grace's, or what the fields make of it."""
    facts: dict[str, Any] = {
        "v": 1,
        "id": IDS.new_id(),
        "kind": Kind.HTTP,
        "time": datetime(2026, 11, 23, 15, 30, 12, 123456, tzinfo=UTC),
        "writer": "5e" * 16,
        "seq": 7,
        "duration_us": 1_234,
        "action": "DELETE /invoices/{id}",
        "outcome": Outcome.DENIED,
        "actor": Actor("grace", type="user", name="Grace Hopper", source="set_actor"),
        "targets": [Target("2026-001", type="invoice")],
        "source": Source(ip="192.0.2.1", ip_source="peer", port=50_000, user_agent="curl/8.1"),
        "request": Request(path="/invoices/2026-001", method="DELETE", route="/invoices/{id}", id="abc-1"),
        "response": Response(status=403, size=12),
    }
    return Record(**{**facts, **fields})
