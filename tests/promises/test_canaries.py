"""Promise 16, no value under a denied name and none of a known secret form leaves.

A hundred secrets travel through the middleware, each in all the places that can carry it, into sinks of every kind,
good and bad. Then everything that has left is searched: database files, tables, lines, logs, representations, errors.
"""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import asyncpg
import pytest

from asgi_audit import (
    Actor,
    AuditMiddleware,
    AuditTrail,
    JSONLinesSink,
    Level,
    LoggingSink,
    Policy,
    Record,
    Redactor,
    Rule,
    Sink,
    Target,
)
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.delivery import Delivery
from asgi_audit.errors import FlushTimeout, RecordRejected
from asgi_audit.redaction import Pseudonyms
from asgi_audit.testing import MemorySink
from tests.canaries import CANARIES, Canary, leaks

TEXTS = [canary.content for canary in CANARIES if canary.place == "text"]
CHUNK = 7
FILLER = b"{}"

KEYED = Redactor(pseudonyms=Pseudonyms(b"0123456789abcdef", "k1", bodies=True))


class Quoting:
    """Raises errors that quote records and secrets, until it is told to stop."""

    name = "quoting"

    def __init__(self) -> None:
        self.stopped = False

    async def open(self) -> None:
        if not self.stopped:
            raise ConnectionError(f"no connection: {TEXTS}")

    async def write(self, records: Sequence[Record]) -> None:
        pass

    async def close(self) -> None:
        raise ConnectionError(f"cannot say good-bye: {TEXTS}")


def contents_of(directory: Path) -> dict[str, str]:
    """All files, those of the journal included, by their names in the directory."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes().decode("latin-1") for path in files}


class Rejecting:
    """Rejects every record, for a reason that quotes it and more secrets."""

    name = "rejecting"

    def __init__(self) -> None:
        self.texts = cycle(TEXTS)

    async def open(self) -> None:
        pass

    async def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if record.data is None or "rejected" not in record.data:
                raise RecordRejected(f"{next(self.texts)} {record!r}")

    async def close(self) -> None:
        pass


class Application:
    """Does with a canary whatever an application may do."""

    def __init__(self, trail: AuditTrail) -> None:
        self.trail = trail
        self.seen: list[str] = []  # the drafts' representations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        canary: Canary = scope["test_canary"]
        draft = scope["asgi_audit"]
        place, content = canary.place, canary.content
        if place == "text":
            draft.set_actor(Actor("7", name=content, on_behalf_of=Actor(content, type=content)))
            draft.annotate(reason=content, target=Target(content, name=content, type=content), tenant=content)
            draft.annotate(data={"note": content, "list": [content]})
            self.trail.event(content, reason=content, target=Target("1", name=content), data={"note": content})
        elif place == "data":
            draft.annotate(data=content if isinstance(content, dict) else {"note": content})
            self.trail.event("data.event", data={"note": content})
        self.seen += [repr(draft), str(draft)]
        headers = [(content[0].encode(), content[1].encode())] if place == "header" else []
        type_, body = content if place == "body" else ("application/json", FILLER)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", type_.encode()), *headers],
            }
        )
        for message in pieces("http.response.body", body, scope["test_chunk"]):
            await send(message)
        draft.annotate(action="late.note", reason=content if place == "text" else None)
        self.seen += [repr(draft), str(draft)]
        if place == "text":
            raise ValueError(content)


def pieces(type_: str, body: bytes, size: int) -> Iterator[Message]:
    """A body in messages of a size."""
    for start in range(0, len(body), size):
        yield {"type": type_, "body": body[start : start + size], "more_body": start + size < len(body)}


def request(canary: Canary, number: int, chunk: int) -> tuple[Scope, bytes]:
    """The request that carries a canary, and its body."""
    place, content = canary.place, canary.content
    type_, body = content if place == "body" else ("application/json", FILLER)
    headers = [(b"content-type", type_.encode()), (b"x-request-id", marker(number).encode())]
    if place == "header":
        headers.append((content[0].encode(), content[1].encode()))
    if place == "text":
        headers += [(b"user-agent", content.encode()), (b"x-note", content.encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/things",
        "query_string": content if place == "query" else b"page=1",
        "headers": headers,
        "client": ("192.0.2.1", 1),
        "test_canary": canary,
        "test_chunk": chunk,
    }
    return scope, body


def marker(number: int) -> str:
    """What must be found, or else the search would prove nothing."""
    return f"mArKeR-{number}-x"


def identify(scope: Scope) -> str:
    """Fail with the canary in the message."""
    raise LookupError(f"nobody: {scope['test_canary'].content}")


async def drive(trail: AuditTrail, app: Application) -> int:
    """Send every canary twice, in one piece and in small ones; return how many requests that were."""
    wrapped = AuditMiddleware(app, trail)

    async def send(message: Message) -> None:
        pass

    number = 0
    for chunk in (10**6, CHUNK):
        for canary in CANARIES:
            scope, body = request(canary, number, chunk)
            messages = pieces("http.request", body, chunk)

            async def receive(messages: Iterator[Message] = messages) -> Message:
                return next(messages)

            try:
                await wrapped(scope, receive, send)
            except ValueError as error:
                assert canary.place == "text" and error.args == (canary.content,)  # noqa: PT017, PT018 - it may or may not raise
            number += 1
    return number


async def rows(url: str) -> str:
    """Everything that stands in the tables of a PostgreSQL database, as text."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        texts = []
        for (table,) in tables:
            texts += [row[0] for row in await connection.fetch(f'SELECT t::text FROM "{table}" t')]
        return "\n".join(texts)
    finally:
        await connection.close()


def spoken(*things: object) -> str:
    """What things say of themselves."""
    return "\n".join(text for thing in things for text in (repr(thing), str(thing)))


@pytest.mark.parametrize("redact", [Redactor(), KEYED], ids=["masked", "keyed"])
def test_no_canary_leaves(
    redact: Redactor, tmp_path: Path, sqlite_url: str, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a hundred secrets none is in any sink, file, log line, exception, or in what our objects say of themselves."""
    caplog.set_level(logging.DEBUG)
    memory, quoting = MemorySink(), Quoting()
    good: list[str | Sink] = [sqlite_url, postgres_url, JSONLinesSink(tmp_path / "audit.jsonl"), LoggingSink(), memory]
    trail = AuditTrail(
        *good,
        quoting,
        Rejecting(),
        policy=Policy([Rule(Level.RESPONSE)]),
        redact=redact,
        identify=identify,
        delivery=Delivery(retry_first=0.01, retry_most=0.05, rejected=tmp_path / "rejected.jsonl"),
    )
    said = []
    app = Application(trail)
    with trail:
        requests = asyncio.run(drive(trail, app))
        with pytest.raises(FlushTimeout) as caught:
            trail.flush(0.2)
        said.append(spoken(caught.value, trail.health(), trail.stats()))
        quoting.stopped = True
        trail.flush(60)
        said.append(spoken(trail, trail.health(), trail.stats(), redact, memory, quoting))
        live = contents_of(tmp_path)
    outputs = {
        **{f"{name} while open": text for name, text in live.items()},
        **contents_of(tmp_path),
        "PostgreSQL": asyncio.run(rows(postgres_url)),
        "log": "\n".join(f"{entry.getMessage()} {entry.__dict__} {entry.exc_text}" for entry in caplog.records),
        "log as formatted": caplog.text,
        "records": spoken(*memory.everything),
        "said": "\n".join([*said, *app.seen]),
    }
    assert len(memory.records) >= requests
    for name in ("audit.db", "audit.jsonl", "rejected.jsonl", "PostgreSQL", "log as formatted", "records"):
        missing = [number for number in range(requests) if marker(number) not in outputs[name]]
        assert missing == [], name
    assert "audit.db-wal while open" in outputs
    assert any(name.endswith(".seg while open") for name in outputs)  # the journal, with its intents
    leaking = [(canary.label, name) for name, text in outputs.items() for canary in CANARIES if leaks(canary, text)]
    assert leaking == []
