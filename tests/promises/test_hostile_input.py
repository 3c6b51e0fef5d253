"""Promise 11, no poison record, and 12, the evidence is exact or says what was cut.

Every hostile string travels in every place that a client or an application can fill, through the middleware into
SQLite, PostgreSQL and a file of JSON lines at once, each between two innocent requests.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import msgspec
import pytest

from asgi_audit import Actor, AuditMiddleware, AuditTrail, JSONLinesSink, Kind, Level, Policy, Record, Rule, Target
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.escape import split_cut, unescape
from asgi_audit.record import decode
from asgi_audit.sqlalchemy import AuditStore
from tests.hostile import HOSTILE, as_bytes

INNOCENT = "/innocent"
#: Some of the hostile strings are, or look like, secrets.
FEW = 12


class Place(NamedTuple):
    """Where a string is put into a request, and where the record should have it."""

    fill: Callable[[Scope, Any], object]
    where: tuple[str | int, ...]
    before: str = ""  # what stands before it there


def set_path(scope: Scope, value: str | bytes) -> None:
    """As servers do: decoded with replacement, and the raw path beside it."""
    if isinstance(value, bytes):
        scope["path"] = "/" + value.decode("utf-8", "replace")
        scope["raw_path"] = b"/" + quote_from_bytes(value).encode()
    else:
        scope["path"] = "/" + value
        scope["raw_path"] = None


def set_header(scope: Scope, name: bytes, value: bytes) -> None:
    """Add a header."""
    scope["headers"].append((name, value))


PLACES: dict[str, Place] = {
    "path": Place(set_path, ("request", "path"), before="/"),
    "query": Place(lambda scope, value: scope.update(query_string=as_bytes(value)), ("request", "query")),
    "header value": Place(
        lambda scope, value: set_header(scope, b"x-note", as_bytes(value)), ("request", "headers", -1, 1)
    ),
    "header name": Place(lambda scope, value: set_header(scope, as_bytes(value), b"v"), ("request", "headers", -1, 0)),
    "user agent": Place(
        lambda scope, value: set_header(scope, b"user-agent", as_bytes(value)), ("source", "user_agent")
    ),
    "body": Place(lambda scope, value: scope.update(test_body=as_bytes(value)), ("request", "body", "text")),
    "actor": Place(lambda scope, value: scope.update(test_actor=value), ("actor", "id")),
    "annotation": Place(lambda scope, value: scope.update(test_note=value), ("targets", 0, "name")),
    "data": Place(lambda scope, value: scope.update(test_data=value), ("data", "note")),
}


def found(record: Record, where: tuple[str | int, ...]) -> Any:
    """What stands there in a record's JSON, or `None`."""
    value = msgspec.to_builtins(record)
    for step in where:
        if isinstance(step, str) and step not in value:
            return None
        value = value[step]
    return value


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, say what the test wants said, answer."""
    await receive()
    draft = scope["asgi_audit"]
    if "test_actor" in scope:
        draft.set_actor(Actor(scope["test_actor"], name=scope["test_actor"]))
    if "test_note" in scope:
        note = scope["test_note"]
        draft.annotate(target=Target(note, name=note, type=note), reason=note, tenant=note, action=note)
    if "test_data" in scope:
        value = scope["test_data"]
        draft.annotate(data={"note": value, "deep": [{value: [value]}]})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def request(number: int, path: str = INNOCENT) -> Scope:
    """A request that can be recognised by its id."""
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"x-request-id", b"%d" % number), (b"content-type", b"text/plain")],
        "client": ("192.0.2.1", 1),
    }


async def drive(trail: AuditTrail, place: Place) -> None:
    """Send every hostile string between innocent requests."""
    wrapped = AuditMiddleware(app, trail)

    async def send(message: Message) -> None:
        pass

    for number, (_, value) in enumerate(HOSTILE):
        for scope in (request(2 * number), request(2 * number + 1)):
            if scope["headers"][0][1] == b"%d" % (2 * number + 1):
                place.fill(scope, value)
            body = scope.get("test_body", b"")
            await wrapped(scope, lambda body=body: received(body), send)  # type: ignore[misc]


async def received(body: bytes) -> Message:
    """The one message of a request's body."""
    return {"type": "http.request", "body": body}


async def stored(url: str) -> list[Record]:
    """Every record of the requests in a database."""
    async with AuditStore(url) as store:
        return [record async for record in store.query(kind="http")]


def the_number(record: Record) -> int:
    """The number of the request."""
    assert record.request is not None
    assert record.request.id is not None
    return int(record.request.id)


def check(records: list[Record], place: Place) -> int:
    """Every request is on record, the innocent as they were, the hostile exact or cut. Return how many were masked."""
    assert sorted(map(the_number, records)) == list(range(2 * len(HOSTILE)))
    masked = 0
    for record in records:
        number, hostile = divmod(the_number(record), 2)
        if not hostile:
            assert found(record, ("request", "path")) == INNOCENT
            assert (record.action, record.outcome) == ("POST", "success")
            continue
        name, sent = HOSTILE[number]
        text = (found(record, place.where) or "").removeprefix(place.before)
        if "[redacted]" in text:
            masked += 1
            continue
        kept, length = split_cut(text)
        raw, whole = unescape(kept), as_bytes(sent)
        if length is None and not found(
            record, ("request", "body", "cut")
        ):  # a body says beside its text how long it was
            assert raw == whole, name
        else:
            assert whole.startswith(raw), name
            assert len(raw) < len(whole), name
    return masked


def test_there_are_enough_hostile_strings() -> None:
    """At least 300, all different."""
    assert len({as_bytes(value) for _, value in HOSTILE}) >= 300


@pytest.mark.parametrize("name", PLACES)
def test_every_hostile_string_is_recorded_exactly(
    name: str, tmp_path: Path, sqlite_url: str, postgres_url: str
) -> None:
    """In all three sinks: every request recorded, neighbours unharmed, the exact bytes recovered or declared cut."""
    place = PLACES[name]
    lines = tmp_path / "audit.jsonl"
    policy = Policy([Rule(Level.REQUEST)])
    with AuditTrail(sqlite_url, postgres_url, JSONLinesSink(lines), policy=policy) as trail:
        asyncio.run(drive(trail, place))
        trail.flush(60)
        assert trail.health().status == "ok"
    in_file = [decode(line) for line in lines.read_bytes().splitlines()]
    for records in (
        asyncio.run(stored(sqlite_url)),
        asyncio.run(stored(postgres_url)),
        [record for record in in_file if record.kind is Kind.HTTP],
    ):
        assert check(records, place) <= FEW
