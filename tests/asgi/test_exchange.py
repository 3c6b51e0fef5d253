"""When an HTTP response is over, by the specification and its extensions; and what is counted till then."""

from typing import Any

import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, says, start

TRAILERS: dict[str, Any] = {"extensions": {"http.response.trailers": {}}}
LENGTH = (b"Content-Length", b"4")


def trailers(*, more: bool = False) -> Message:
    """Trailers of a response."""
    return {"type": "http.response.trailers", "headers": [(b"x-sum", b"7")], "more_trailers": more}


def zerocopy(*, more: bool = False) -> Message:
    """A piece of a file."""
    return {"type": "http.response.zerocopysend", "file": 3, "more_body": more}


PATH: Message = {"type": "http.response.pathsend", "path": "/srv/film.mp4"}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
DEBUG: Message = {"type": "http.response.debug", "info": {"template": "page.html"}}
PUSH: Message = {"type": "http.response.push", "path": "/style.css", "headers": []}


@pytest.mark.parametrize(
    ("method", "messages", "extensions", "over", "size"),
    [
        ("POST", [start(200), body(b"ab", more=True), body(b"cd")], {}, 2, 4),
        ("POST", [start(200), body()], {}, 1, 0),
        ("POST", [start(200, [LENGTH]), body(b"ab", more=True), body(b"cd", more=True), body()], {}, 2, 4),
        ("POST", [start(200, [(b"content-length", b"0")]), body()], {}, 0, 0),
        ("POST", [start(200, [(b"content-length", b"much")]), body(b"abcd")], {}, 1, 4),
        ("POST", [start(200, [(b"content-length", b"9")]), body(b"abcd")], {}, 1, 4),
        ("POST", [start(204), body()], {}, 0, 0),
        ("GET", [start(304, [LENGTH]), body()], {}, 0, 0),
        ("HEAD", [start(200, [LENGTH]), body()], {}, 0, 0),
        ("POST", [start(200, trailers=True), body(b"abcd"), trailers(more=True), trailers()], TRAILERS, 3, 4),
        ("POST", [start(200, [LENGTH], trailers=True), body(b"abcd"), trailers()], TRAILERS, 2, 4),
        ("POST", [start(200, trailers=True), body(b"abcd"), trailers()], {}, 1, 4),
        ("POST", [start(200), PATH], {}, 1, None),
        ("POST", [start(200), zerocopy(more=True), zerocopy()], {}, 2, None),
        ("POST", [HINT, DEBUG, PUSH, start(200), body(b"abcd")], {}, 4, 4),
    ],
    ids=[
        "last body",
        "only body",
        "content-length",
        "content-length 0",
        "content-length that is no number",
        "content-length that is not reached",
        "204",
        "304",
        "HEAD",
        "trailers",
        "trailers after content-length",
        "trailers that the server does not know",
        "pathsend",
        "zerocopysend",
        "hints, pushes and debug messages",
    ],
)
@pytest.mark.parametrize("level", [Level.METADATA, Level.RESPONSE])
def test_the_record_is_made_just_before_the_end(
    method: str, messages: list[Message], extensions: dict[str, Any], over: int, size: int | None, level: Level
) -> None:
    """The message from which the client can know that the response is over is the first that finds the record made."""
    sink = MemorySink()
    made: list[int] = []
    with AuditTrail(sink, policy=Policy([Rule(level)])) as trail:

        def look(message: Message) -> None:
            trail.flush()
            made.append(len(sink.records))

        conversation = Conversation(*request(), passing=look)
        converse("asyncio", AuditMiddleware(says(*messages), trail), http_scope(method, **extensions), conversation)
    assert made == [0] * over + [1] * (len(messages) - over)
    assert conversation.sent == messages
    (record,) = sink.records
    assert record.response is not None
    assert (record.outcome, record.response.size) == ("success", size)


def record_of(*messages: Message, level: Level = Level.METADATA, incoming: list[Message] | None = None) -> Record:
    """The record of a request that is answered so."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy([Rule(level)])) as trail:
        conversation = Conversation(*(request() if incoming is None else incoming))
        converse("asyncio", AuditMiddleware(says(*messages), trail), http_scope(), conversation)
    (record,) = sink.records
    return record


def test_a_second_start_does_not_count() -> None:
    """The status is that of the first start; a second one is the server's to refuse."""
    assert record_of(start(200), start(404), body()).status == 200


def test_headers_that_can_be_read_once_are_the_servers() -> None:
    """An iterator as headers is left whole: the record does without it, the server does not."""
    headers = iter([(b"content-length", b"4")])
    message = start(200)
    message["headers"] = headers
    record = record_of(message, body(b"abcd"), level=Level.RESPONSE)
    assert record.response is not None
    assert (record.response.size, record.response.headers) == (4, [])
    assert list(headers) == [(b"content-length", b"4")]


def test_a_response_level_record_has_headers_and_body() -> None:
    """What the level asks for is in the record, of the 500 that is held back as well."""
    message = start(500, [(b"content-type", b"text/plain")])
    record = record_of(message, body(b"sor", more=True), body(b"ry"), level=Level.RESPONSE)
    assert record.response is not None
    assert record.response.headers == [("content-type", "text/plain")]
    assert record.response.body is not None
    assert (record.response.body.text, record.response.body.size) == ("sorry", 5)


def test_only_what_the_application_has_read_is_counted() -> None:
    """A body that nobody reads has no size; of one that is read in part, that part counts."""
    record = record_of(start(200), body(), incoming=request(b"abc", b"def"))
    assert record.request is not None
    assert record.request.size == 3


@pytest.mark.parametrize("message", [{"no": "type"}, {"type": "http.request", "body": None}])
def test_a_message_that_cannot_be_read_reaches_the_application(message: Message) -> None:
    """Whether a message is well-formed is not for us to judge."""
    assert record_of(start(200), body(), incoming=[message]).outcome == "success"


def test_a_status_that_is_none_is_never_made_one() -> None:
    """A start without a status leaves the record without one."""
    record = record_of({"type": "http.response.start"}, body())
    assert (record.outcome, record.status) == ("no_response", None)


def test_a_last_message_that_does_not_get_through_leaves_an_event() -> None:
    """The record is made before the message; that the client was gone is told by an event linked to it."""
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        await send(body(b"whole"))

    with AuditTrail(sink) as trail:
        conversation = Conversation(refuses={1: BrokenPipeError()})
        converse("asyncio", AuditMiddleware(app, trail), http_scope(asgi={"spec_version": "2.4"}), conversation)
    record, event = sink.records
    assert (record.outcome, event.outcome, event.parent) == ("success", "disconnected", record.id)
    assert event.error is not None
    assert event.error.type == "BrokenPipeError"
