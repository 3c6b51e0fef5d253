"""The table of endings as raw conversations, under asyncio and trio."""

import asyncio
import contextvars

import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi import endings
from tests.asgi.conversation import (
    BACKENDS,
    Conversation,
    Waiting,
    body,
    converse,
    converse_until_cancelled,
    http_scope,
    request,
    says,
    start,
    websocket_scope,
)
from tests.asgi.endings import HTTP, WEBSOCKET, Client, Ending, socket

GONE: Message = {"type": "http.disconnect"}
CONNECT: Message = {"type": "websocket.connect"}
each_backend = pytest.mark.parametrize("backend", BACKENDS)


def recorded(app: ASGIApp, scope: Scope, conversation: Conversation, backend: str = "asyncio") -> list[Record]:
    """The records that a conversation leaves behind."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.everything)) as trail:
        converse(backend, AuditMiddleware(app, trail), scope, conversation)
    return sink.records


def recorded_until_cancelled(
    app: ASGIApp, scope: Scope, conversation: Conversation, backend: str, waiting: Waiting
) -> list[Record]:
    """The records that a conversation leaves behind when the server calls it off."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.everything)) as trail:
        converse_until_cancelled(backend, AuditMiddleware(app, trail), scope, conversation, waiting)
    return sink.records


def what_the_client_says(ending: Ending) -> list[Message]:
    """The messages that a server makes of the client's behaviour."""
    if ending in HTTP:
        return request(b"hello") + ([GONE] if ending.client is Client.LEAVES else [])
    said: Message = {"type": "websocket.receive", "text": "hello"}
    match ending.client:
        case Client.CLOSES:
            return [CONNECT, said, {"type": "websocket.disconnect", "code": ending.code}]
        case Client.DROPS:
            return [CONNECT, said, {"type": "websocket.disconnect", "code": 1006}]
        case _:
            return [CONNECT]


def check(ending: Ending, records: list[Record]) -> None:
    """One record, which says what the row says."""
    record, *events = records
    assert (record.outcome, record.status) == (ending.outcome, ending.status)
    assert (record.error and record.error.type) == ending.error
    assert [(event.kind, event.outcome, event.parent) for event in events] == (
        [] if ending.event is None else [("event", ending.event, record.id)]
    )
    assert (None if record.websocket is None else record.websocket.code) in ending.codes
    assert (0 if record.websocket is None else record.websocket.sent.messages) == ending.sent


@each_backend
@pytest.mark.parametrize("ending", HTTP + WEBSOCKET, ids=lambda ending: ending.name)
def test_each_ending_leaves_its_record(ending: Ending, backend: str) -> None:
    """However a connection ends, there is exactly one record of it, and it says how."""
    scope = http_scope(ending.method) if ending in HTTP else websocket_scope()
    conversation = Conversation(*what_the_client_says(ending))
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.everything)) as trail:
        converse(backend, AuditMiddleware(ending.app, trail), scope, conversation)
    assert isinstance(conversation.raised, endings.AppError) == (ending.error is not None or ending.event is not None)
    check(ending, sink.records)


@each_backend
@pytest.mark.parametrize("said", [[], [start(200), body(b"one", more=True)]], ids=["before", "in"])
def test_a_cancelled_request_is_on_record(said: list[Message], backend: str) -> None:
    """A request that the server calls off ends as `cancelled`, with the status that was sent or none."""
    waiting = Waiting()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(*said)(scope, receive, send)
        await waiting.here()

    records = recorded_until_cancelled(app, http_scope(), Conversation(*request()), backend, waiting)
    assert [(r.outcome, r.status) for r in records] == [("cancelled", 200 if said else None)]


@each_backend
@pytest.mark.parametrize(("status", "outcome"), [(200, "success"), (404, "failed"), (503, "failed")])
def test_cancelling_after_the_response_changes_nothing(status: int, outcome: str, backend: str) -> None:
    """A response that was sent whole is on record as such, whatever is called off afterwards."""
    waiting = Waiting()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(status), body(b"whole"))(scope, receive, send)
        await waiting.here()

    records = recorded_until_cancelled(app, http_scope(), Conversation(*request()), backend, waiting)
    assert [(r.outcome, r.status, r.error) for r in records] == [(outcome, status, None)]


@each_backend
def test_a_cancelled_websocket_is_on_record(backend: str) -> None:
    """A websocket connection that the server calls off ends as `cancelled`."""
    waiting = Waiting()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await socket()(scope, receive, send)
        await waiting.here()

    records = recorded_until_cancelled(app, websocket_scope(), Conversation(CONNECT), backend, waiting)
    assert [(r.outcome, r.status) for r in records] == [("cancelled", None)]


def test_a_websocket_cancelled_after_the_client_has_gone_ended_with_the_client() -> None:
    """Who left first is on record: tidying up after a client that is gone cancels nothing of its doing."""
    waiting = Waiting()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await endings.echo(scope, receive, send)
        await waiting.here()

    conversation = Conversation(CONNECT, {"type": "websocket.disconnect", "code": 1001})
    records = recorded_until_cancelled(app, websocket_scope(), conversation, "asyncio", waiting)
    assert [(r.outcome, r.websocket and r.websocket.code) for r in records] == [("success", 1001)]


def test_a_coroutine_that_is_dropped_is_on_record() -> None:
    """An application whose coroutine the server closes in its middle ends as `cancelled`."""
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        await asyncio.sleep(0)

    async def take(message: Message) -> None:
        pass

    with AuditTrail(sink) as trail:
        coroutine = AuditMiddleware(app, trail)(http_scope(), Conversation().receive, take)
        coroutine.send(None)
        coroutine.close()
    assert [(r.outcome, r.status) for r in sink.records] == [("cancelled", 200)]


def test_a_coroutine_may_be_dropped_in_another_context() -> None:
    """Where the garbage collector closes it, the context is not the one in which it began: no harm, and a record."""
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)

    with AuditTrail(sink) as trail:
        conversation = Conversation()
        coroutine = AuditMiddleware(app, trail)(http_scope(), conversation.receive, conversation.send)
        contextvars.copy_context().run(coroutine.send, None)
        coroutine.close()
    assert [(r.outcome, r.status) for r in sink.records] == [("cancelled", None)]


@pytest.mark.parametrize("number", [0, 1], ids=["the start", "the body"])
@each_backend
def test_a_server_that_refuses_a_message_means_that_the_client_has_gone(number: int, backend: str) -> None:
    """`OSError` out of `send` is a disconnect, and the same exception comes out of the application."""
    gone = ConnectionResetError("gone")
    app = says(start(200), body(b"one", more=True), body())
    conversation = Conversation(*request(), refuses={number: gone})
    records = recorded(app, http_scope(asgi={"spec_version": "2.4"}), conversation, backend)
    assert conversation.raised is gone
    assert [(r.outcome, r.status) for r in records] == [("disconnected", 200)]
    assert records[0].error is not None
    assert records[0].error.type == "ConnectionResetError"


def test_an_application_may_swallow_the_refusal() -> None:
    """The connection is on record as disconnected also when the application takes it in its stride."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await says(start(200), body(b"one", more=True))(scope, receive, send)
        except OSError:
            return

    conversation = Conversation(*request(), refuses={1: BrokenPipeError()})
    records = recorded(app, http_scope(asgi={"spec_version": "2.5"}), conversation)
    assert [(r.outcome, r.status, r.error) for r in records] == [("disconnected", 200, None)]


def test_the_last_message_of_a_500_may_be_refused() -> None:
    """A 500 whose end the server could not pass on has not reached the client."""
    conversation = Conversation(*request(), refuses={1: BrokenPipeError()})
    records = recorded(says(start(500), body(b"sorry")), http_scope(asgi={"spec_version": "2.4"}), conversation)
    assert [(r.outcome, r.status) for r in records] == [("disconnected", 500)]


def test_a_refusal_after_the_response_makes_no_disconnect() -> None:
    """What an application says after the end of its response is not the client's loss."""
    conversation = Conversation(*request(), refuses={2: BrokenPipeError()})
    app = says(start(500), body(b"sorry"), body(b"and"))
    records = recorded(app, http_scope(asgi={"spec_version": "2.4"}), conversation)
    assert [(r.outcome, r.status) for r in records] == [("error", 500)]


@each_backend
def test_a_websocket_that_refuses_a_message_has_gone(backend: str) -> None:
    """`OSError` out of `send` means that the client dropped the connection."""
    conversation = Conversation(CONNECT, refuses={1: BrokenPipeError()})
    records = recorded(socket({"type": "websocket.send", "text": "hello"}), websocket_scope(), conversation, backend)
    assert isinstance(conversation.raised, BrokenPipeError)
    assert [(r.outcome, r.websocket and r.websocket.code) for r in records] == [("disconnected", None)]


def test_a_client_that_leaves_before_the_end_was_disconnected_even_if_the_response_is_finished() -> None:
    """An application that finishes its response for nobody has not succeeded."""
    conversation = Conversation(*request(), GONE)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(200))
        await receive()
        await send(body(b"for nobody"))

    assert [(r.outcome, r.status) for r in recorded(app, http_scope(), conversation)] == [("disconnected", 200)]


def test_a_disconnect_after_the_end_is_what_every_connection_sees() -> None:
    """Servers say `http.disconnect` after each response, too; that changes nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(500), body())(scope, receive, send)
        await receive()

    records = recorded(app, http_scope(), Conversation(*request(), GONE))
    assert [(r.outcome, r.status) for r in records] == [("failed", 500)]


@pytest.mark.parametrize("group", [ExceptionGroup, BaseExceptionGroup])
def test_a_group_with_a_failure_in_it_is_a_failure(group: type[BaseExceptionGroup[BaseException]]) -> None:
    """An exception beside a cancellation is on record as an error, in whatever group it comes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise group("several", [ValueError()])

    records = recorded(app, http_scope(), Conversation())
    assert [(r.outcome, r.status) for r in records] == [("error", None)]


@pytest.mark.parametrize("exit_", [KeyboardInterrupt, SystemExit])
def test_leaving_the_process_is_an_error_not_a_cancellation(exit_: type[BaseException]) -> None:
    """`KeyboardInterrupt` and `SystemExit` out of an application end a request as errors."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise exit_

    sink = MemorySink()
    with AuditTrail(sink) as trail:
        coroutine = AuditMiddleware(app, trail)(http_scope(), Conversation().receive, Conversation().send)
        with pytest.raises(exit_):
            coroutine.send(None)
    assert [(r.outcome, r.error and r.error.type) for r in sink.records] == [("error", exit_.__name__)]


def test_the_error_message_is_not_recorded_below_request_level() -> None:
    """The exception's class is on record; its text, which may hold anything, only from level REQUEST up."""
    for level, message in ((Level.METADATA, None), (Level.REQUEST, "secret detail")):
        sink = MemorySink()
        with AuditTrail(sink, policy=Policy([Rule(level)])) as trail:
            app = AuditMiddleware(endings.then_raises(says()), trail)
            converse("asyncio", app, http_scope(), Conversation(*request()))
        assert [record.error and record.error.message for record in sink.records] == [message]


def test_a_late_failure_of_an_unrecorded_request_is_not_recorded_either() -> None:
    """A rule by status that did not match has decided: an exception after the response makes no record of it."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.denials)) as trail:
        app = AuditMiddleware(endings.then_raises(says(start(200), body())), trail)
        converse("asyncio", app, http_scope(), Conversation(*request()))
    assert sink.records == []
