"""What a websocket connection leaves behind besides its ending."""

import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Record
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import BACKENDS, Conversation, converse, says, websocket_scope
from tests.asgi.endings import close, denial, echo, socket, then_raises

CONNECT: Message = {"type": "websocket.connect"}


def record_of(app: ASGIApp, conversation: Conversation, backend: str = "asyncio") -> Record:
    """The one record that a conversation leaves behind."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        converse(backend, AuditMiddleware(app, trail), websocket_scope(), conversation)
    (record,) = sink.records
    return record


@pytest.mark.parametrize("backend", BACKENDS)
def test_messages_and_bytes_are_counted_each_way(backend: str) -> None:
    """Text counts by its UTF-8 length, bytes by theirs, whatever the other key holds."""
    incoming: list[Message] = [
        CONNECT,
        {"type": "websocket.receive", "text": "grün"},
        {"type": "websocket.receive", "bytes": b"\x00\x01", "text": None},
        {"type": "websocket.receive", "bytes": None, "text": "\ud800"},
    ]
    app = socket(
        {"type": "websocket.send", "text": "€"},
        {"type": "websocket.send", "bytes": b"12345", "text": None},
        close(1000),
        reads=3,
    )
    record = record_of(app, Conversation(*incoming), backend)
    assert record.kind == "websocket"
    assert record.action == "WEBSOCKET"
    assert record.response is None
    assert record.request is not None
    assert record.request.method is None
    assert record.websocket is not None
    assert (record.websocket.received.messages, record.websocket.received.bytes) == (3, 5 + 2 + 3)
    assert (record.websocket.sent.messages, record.websocket.sent.bytes) == (2, 3 + 5)


def test_there_is_one_record_and_it_comes_at_the_end() -> None:
    """While a connection is open nothing of it is recorded; its record is in the journal before the close goes out."""
    sink = MemorySink()
    seen: dict[str, int] = {}
    with AuditTrail(sink) as trail:

        def look(message: Message) -> None:
            trail.flush()
            seen[message["type"]] = len(sink.records)

        app = AuditMiddleware(socket({"type": "websocket.send", "text": "hello"}, close(1000)), trail)
        converse("asyncio", app, websocket_scope(), Conversation(CONNECT, passing=look))
    assert seen == {"websocket.accept": 0, "websocket.send": 0, "websocket.close": 1}


def test_a_denial_is_recorded_before_its_last_message() -> None:
    """The client of a denied connection sees the end of the response after the record is in the journal."""
    sink = MemorySink()
    seen: list[int] = []
    with AuditTrail(sink) as trail:

        def look(message: Message) -> None:
            trail.flush()
            seen.append(len(sink.records))

        app = says(
            {"type": "websocket.http.response.start", "status": 403, "headers": []},
            {"type": "websocket.http.response.body", "body": b"n", "more_body": True},
            {"type": "websocket.http.response.body", "body": b"o"},
        )
        converse("asyncio", AuditMiddleware(app, trail), websocket_scope(), Conversation(CONNECT, passing=look))
    assert seen == [0, 0, 1]


def test_a_denial_with_a_status_of_success_is_a_denial_still() -> None:
    """Whatever the response says, the client asked for a websocket and got none."""
    record = record_of(denial(200), Conversation(CONNECT))
    assert (record.outcome, record.status) == ("denied", 200)


def test_a_denial_without_a_start_has_no_status() -> None:
    """A status is what the application sent; where it sent none, none is made up."""
    record = record_of(says({"type": "websocket.http.response.body", "body": b""}), Conversation(CONNECT))
    assert (record.outcome, record.status) == ("no_response", None)


def test_a_failure_after_the_close_is_an_event_of_its_own() -> None:
    """What fails after the record was made is linked to it, and does not change it."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        app = AuditMiddleware(then_raises(socket(close(1000))), trail)
        converse("asyncio", app, websocket_scope(), Conversation(CONNECT))
    record, event = sink.records
    assert (record.outcome, record.error) == ("success", None)
    assert (event.outcome, event.parent, event.action) == ("error", record.id, "WEBSOCKET")


def test_what_comes_after_the_close_does_not_change_the_record() -> None:
    """The client's own close comes back after ours; messages sent after the end are not counted."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await socket(close(1000), {"type": "websocket.send", "text": "late"})(scope, receive, send)
        await receive()

    record = record_of(app, Conversation(CONNECT, {"type": "websocket.disconnect", "code": 4000}))
    assert record.websocket is not None
    assert (record.outcome, record.websocket.code, record.websocket.sent.messages) == ("success", 1000, 0)


def test_a_disconnect_without_a_code_is_a_drop() -> None:
    """The code is what the server said, or null."""
    record = record_of(echo, Conversation(CONNECT, {"type": "websocket.disconnect"}))
    assert record.websocket is not None
    assert (record.outcome, record.websocket.code) == ("disconnected", None)


def test_a_client_that_leaves_before_it_is_accepted_was_disconnected() -> None:
    """An application that learns in the handshake that the client has gone never had a connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await receive()

    record = record_of(app, Conversation(CONNECT, {"type": "websocket.disconnect", "code": 1000}))
    assert (record.outcome, record.status) == ("disconnected", None)


@pytest.mark.parametrize(
    "message",
    [{"type": "websocket.send", "text": 5}, {"type": "websocket.http.response.start"}, {"no": "type"}],
    ids=["text", "status", "type"],
)
def test_a_message_that_cannot_be_read_passes_all_the_same(message: Message) -> None:
    """Whether a message is well-formed is the server's concern."""
    conversation = Conversation(CONNECT, {"no": "type"})
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        converse("asyncio", AuditMiddleware(socket(message, reads=1), trail), websocket_scope(), conversation)
        assert trail.stats().failures["a message could not be read"] == 2
    assert conversation.sent[1] is message
    assert [record.outcome for record in sink.records] == ["success"]


class WebSocketDisconnectError(Exception):
    """What frameworks raise in an endpoint that reads on when the client has left."""


@pytest.mark.parametrize("code", [1000, 1006])
def test_an_exception_that_says_that_the_client_has_left_is_no_error(code: int) -> None:
    """A disconnect that was seen wins over what is raised after it, as in HTTP; the exception is on record too."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        raise WebSocketDisconnectError

    record = record_of(app, Conversation(CONNECT, {"type": "websocket.disconnect", "code": code}))
    assert record.outcome == "disconnected"
    assert record.websocket is not None
    assert record.websocket.code == code
    assert record.error is not None
    assert record.error.type.endswith("WebSocketDisconnectError")


@pytest.mark.parametrize(
    ("accepts", "code", "outcome"),
    [(True, 1006, "disconnected"), (True, 1000, "success"), (False, 1006, "disconnected")],
)
def test_closing_a_connection_that_the_client_has_left_changes_nothing(accepts: bool, code: int, outcome: str) -> None:
    """Tidy applications close in a `finally`; how it ended was decided by the client."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if accepts:
            await send({"type": "websocket.accept"})
        await receive()
        await send(close(1000))

    record = record_of(app, Conversation(CONNECT, {"type": "websocket.disconnect", "code": code}))
    assert (record.outcome, record.status) == (outcome, None)
    assert record.websocket is not None
    assert record.websocket.code == code
