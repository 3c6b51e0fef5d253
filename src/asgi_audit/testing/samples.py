"""Records such as a sink gets: of every kind, with all that a record can say, and with next to nothing."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any, Final

from asgi_audit.ids import IdSource
from asgi_audit.record import (
    VERSION,
    Actor,
    Body,
    Change,
    Error,
    Kind,
    Outcome,
    Part,
    Record,
    Request,
    Response,
    Source,
    Target,
    Traffic,
    WebSocket,
)

_SOURCE: Final = Source(ip="2001:db8::1", ip_source="x-forwarded-for", port=4711, user_agent="check")
_ACTOR: Final = Actor("42", type="user", name="Ada \U0001f600", source="set_actor", on_behalf_of=Actor("7"))


def _event() -> dict[str, Any]:
    return {
        "kind": Kind.EVENT,
        "action": "check.sink",
        "outcome": Outcome.SUCCESS,
        "actor": _ACTOR,
        "targets": [Target("7", type="user"), Target("8")],
        "changes": [Change(operation="update", type="user", id="7", before={"name": "a"}, after={"name": None})],
        "reason": 'it\'s a "test", 100 %; \\x00 <b>',
        "data": {"number": 2**53, "nested": {"list": [1, 2.5, None, True]}},
        "tenant": "acme",
        "service": "billing",
    }


def _request() -> dict[str, Any]:
    return {
        "kind": Kind.HTTP,
        "action": "POST /users/{id}",
        "duration_us": 1200,
        "outcome": Outcome.ERROR,
        "actor": _ACTOR,
        "source": _SOURCE,
        "request": Request(
            path="/users/7",
            method="POST",
            route="/users/{id}",
            params={"id": "7"},
            query="token=[redacted]",
            headers=[("accept", "*/*"), ("accept", "text/html")],
            body=Body(size=9, type="multipart/form-data", parts=[Part(name="file", filename="a.png", size=9)]),
        ),
        "response": Response(status=500, size=2, headers=[("x-a", "b")], body=Body(size=2, text="{}")),
        "error": Error(type="ValueError", message="no"),
    }


def _websocket() -> dict[str, Any]:
    traffic = Traffic(messages=1, bytes=5)
    return {
        "kind": Kind.WEBSOCKET,
        "action": "WEBSOCKET /feed",
        "outcome": Outcome.DISCONNECTED,
        "request": Request(path="/feed"),
        "websocket": WebSocket(received=traffic, sent=traffic, code=1006),
    }


def _loss() -> dict[str, Any]:
    return {"kind": Kind.LOSS, "action": "trail.loss", "data": {"lost": 3, "reason": "the journal was full"}}


_KINDS: Final[tuple[Callable[[], dict[str, Any]], ...]] = (_event, _request, _websocket, _loss)


def samples(count: int) -> list[Record]:
    """So many records of one writer."""
    source, writer = IdSource(), os.urandom(16).hex()
    return [
        Record(
            v=VERSION,
            id=source.new_id(),
            writer=writer,
            seq=number,
            time=datetime.now(UTC),
            salts=source.new_salts(),
            **make(),
        )
        for number, make in enumerate(islice(cycle(_KINDS), count))
    ]
