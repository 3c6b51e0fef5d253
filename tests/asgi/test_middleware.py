"""The gate itself: what passes, what is watched, and once."""

import gc
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from asgiref.typing import ASGI3Application, ASGIReceiveCallable, ASGISendCallable
from asgiref.typing import Scope as TypedScope
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp as StarletteApp

from asgi_audit import AuditMiddleware, AuditTrail, Delivery, Level, Policy, Rule, annotate
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.draft import KEY
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import BACKENDS, Conversation, body, converse, http_scope, request, says, start
from tests.asgi.endings import AppError

each_backend = pytest.mark.parametrize("backend", BACKENDS)


def test_it_is_an_asgi_3_application() -> None:
    """Servers take a plain callable for an ASGI 2 application, and ask by this function."""
    assert inspect.iscoroutinefunction(AuditMiddleware(says(), MemorySink()).__call__)


@each_backend
def test_of_two_the_outer_one_records(backend: str) -> None:
    """An application that is wrapped twice leaves one record, in the outer trail; what the inner code says is in it."""
    outer, inner = MemorySink(), MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        annotate(action="thing.rename")
        await says(start(200), body())(scope, receive, send)

    with AuditTrail(outer) as first, AuditTrail(inner) as second:
        wrapped = AuditMiddleware(AuditMiddleware(app, second), first)
        converse(backend, wrapped, http_scope(), Conversation(*request()))
    assert [record.action for record in outer.records] == ["thing.rename"]
    assert inner.records == []


def test_an_inner_one_does_not_record_what_the_outer_one_skips() -> None:
    """The outer policy decides for both."""
    outer, inner = MemorySink(), MemorySink()
    with AuditTrail(outer) as first, AuditTrail(inner) as second:
        wrapped = AuditMiddleware(AuditMiddleware(says(start(200), body()), second), first)
        converse("asyncio", wrapped, http_scope("GET"), Conversation(*request()))
    assert outer.records == inner.records == []


def test_unknown_scopes_pass_untouched() -> None:
    """A protocol of tomorrow reaches the application with the server's own callables and nothing added."""
    seen: list[tuple[Any, ...]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    scope: Scope = {"type": "webtransport"}
    conversation = Conversation()
    sink = MemorySink()
    receive, send = conversation.receive, conversation.send
    with AuditTrail(sink) as trail, pytest.raises(StopIteration):
        AuditMiddleware(app, trail)(scope, receive, send).send(None)
    assert [(a is scope, b is receive, c is send) for a, b, c in seen] == [(True, True, True)]
    assert scope == {"type": "webtransport"}
    assert sink.records == []


def test_a_skipped_request_gets_the_servers_own_callables() -> None:
    """Where nothing is recorded nothing is watched; the scope holds a draft, in case the request names its action."""
    seen: list[tuple[Any, ...]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((receive, send, KEY in scope))

    conversation = Conversation()
    receive, send = conversation.receive, conversation.send
    with AuditTrail(MemorySink()) as trail, pytest.raises(StopIteration):
        AuditMiddleware(app, trail)(http_scope("GET"), receive, send).send(None)
    assert [(a is receive, b is send, c) for a, b, c in seen] == [(True, True, True)]


@each_backend
@pytest.mark.parametrize("error", [AppError, None])
def test_a_skipped_request_that_names_its_action_is_an_event(error: type[Exception] | None, backend: str) -> None:
    """A sensitive read is one line: an event with the request's facts, and with how it ended if that was badly."""
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        annotate(action="report.export")
        if error is not None:
            raise error
        await says(start(200), body())(scope, receive, send)

    with AuditTrail(sink) as trail:
        conversation = Conversation(*request())
        converse(backend, AuditMiddleware(app, trail), http_scope("GET", "/reports/7"), conversation)
    assert (type(conversation.raised) if conversation.raised else None) is error
    (event,) = sink.records
    assert (event.kind, event.action, event.parent) == ("event", "report.export", None)
    assert event.request is not None
    assert (event.request.method, event.request.path) == ("GET", "/reports/7")
    assert (event.outcome, event.error and event.error.type) == (
        (None, None) if error is None else ("error", f"{AppError.__module__}.AppError")
    )


def test_a_scope_that_no_policy_can_read_is_served() -> None:
    """A scope without a path is the server's mistake: the request is served, and the failure is counted."""
    scope = http_scope()
    del scope["path"]
    policy = Policy([Rule(Level.METADATA, paths=["/things/**"])])
    with AuditTrail(MemorySink(), policy=policy) as trail:
        conversation = converse("asyncio", AuditMiddleware(says(start(200)), trail), scope, Conversation(*request()))
        assert trail.stats().failures["the policy could not decide, so the request was not recorded"] == 1
    assert len(conversation.sent) == 1


@pytest.mark.parametrize("make", [list, tuple])
def test_it_takes_what_a_trail_is_made_of(make: Callable[[list[Any]], Any]) -> None:
    """A trail, a sink, or several: all are delivered to."""
    first, second = MemorySink(), []

    def third(records: Any) -> None:
        second.extend(records)

    app = AuditMiddleware(says(start(204)), make([first, third]))
    converse("asyncio", app, http_scope(), Conversation(*request()))
    app.trail.close()
    assert len(first.everything) == len(second) > 1
    alone = AuditMiddleware(says(start(204)), first)
    converse("asyncio", alone, http_scope(), Conversation(*request()))
    alone.trail.close()
    assert len(first.records) == 2


def test_the_types_of_others_fit() -> None:
    """Typed applications can be wrapped, and the middleware stands where Starlette takes one: mypy reads this file."""

    async def typed(scope: TypedScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """An application with asgiref's types."""

    async def loose(
        scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """An application with types of its own."""

    application: ASGI3Application = typed
    trail = AuditTrail(MemorySink())
    wrapped = AuditMiddleware(application, trail)
    for_starlette: StarletteApp = wrapped
    again = AuditMiddleware(for_starlette, trail=trail)
    app = Starlette(middleware=[Middleware(AuditMiddleware, trail=trail)])
    app.add_middleware(AuditMiddleware, trail=trail)
    assert again.trail is AuditMiddleware(app, trail).trail is trail


def test_messages_are_what_the_application_sent() -> None:
    """The very objects, and no copy, in both directions."""
    said: list[Message] = [start(201, [(b"x", b"y")]), body(b"one", more=True), body()]
    incoming = request(b"ab", b"cd")
    heard: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([await receive(), await receive()])
        for message in said:
            await send(message)

    with AuditTrail(MemorySink(), policy=Policy([Rule(Level.RESPONSE)])) as trail:
        conversation = converse("asyncio", AuditMiddleware(app, trail), http_scope(), Conversation(*incoming))
    assert all(a is b for a, b in zip(conversation.sent + heard, said + incoming, strict=True))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_leaves_nothing_to_the_cyclic_garbage_collector(method: str) -> None:
    """Recorded or skipped, its objects go when it ends: a collector that runs for every few requests costs latency."""
    with AuditTrail(MemorySink(), delivery=Delivery(linger=3600)) as trail:  # the other thread is to keep still
        app = AuditMiddleware(says(start(200), body()), trail)

        async def serve(times: int) -> None:
            for _ in range(times):
                conversation = Conversation(*request(b"x"))
                await app(http_scope(method), conversation.receive, conversation.send)

        async def measure() -> int:
            await serve(10)
            trail.flush()
            gc.collect()
            gc.disable()
            try:
                await serve(10)
                return gc.collect()
            finally:
                gc.enable()

        assert anyio.run(measure) == 0
