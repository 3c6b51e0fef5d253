"""Records as a test needs them, told apart by what it says about them."""

import os
import threading
from datetime import UTC, datetime
from typing import Any

from asgi_audit.ids import IdSource
from asgi_audit.record import VERSION, Actor, Kind, Outcome, Record, Request, Response, Source, Target

_source = IdSource()
_writer = os.urandom(16).hex()
_lock = threading.Lock()
_next = 0


def record(**changes: Any) -> Record:
    """An ordinary record, the next of this process's; `changes` are fields of it."""
    global _next
    with _lock:
        number = _next
        _next += 1
    fields: dict[str, Any] = {
        "v": VERSION,
        "id": _source.new_id(),
        "kind": Kind.HTTP,
        "time": datetime.now(UTC),
        "action": "POST /users/{id}",
        "writer": _writer,
        "seq": number,
        "duration_us": 1200,
        "outcome": Outcome.SUCCESS,
        "actor": Actor("42", type="user", name="Ada", source="framework"),
        "targets": [Target("7", type="user")],
        "source": Source(ip="192.0.2.1", ip_source="peer", port=4711, user_agent="test"),
        "request": Request(path="/users/7", method="POST", route="/users/{id}", params={"id": "7"}, id="r-1"),
        "response": Response(status=200, size=17),
        "tenant": "acme",
        "salts": _source.new_salts(),
    }
    return Record(**fields | changes)


def records(count: int, **changes: Any) -> list[Record]:
    """So many of them, oldest first."""
    return [record(**changes) for _ in range(count)]
