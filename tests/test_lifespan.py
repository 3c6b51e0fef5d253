"""The lifespan protocol: the trail opens with the application and is empty before the server hears that all is over."""

import pytest

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import FailingSink, MemorySink
from tests.asgi.conversation import BACKENDS, Conversation, body, converse, says, start
from tests.servers.clients import http_client
from tests.servers.servers import UVICORN, Stage, Stopped, Theatre, serving

STARTUP: Message = {"type": "lifespan.startup"}
SHUTDOWN: Message = {"type": "lifespan.shutdown"}
SCOPE: Scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}

each_backend = pytest.mark.parametrize("backend", BACKENDS)


class StartupError(Exception):
    """What an application raises that can't start."""


async def lives(scope: Scope, receive: Receive, send: Send) -> None:
    """An application with a lifespan."""
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that knows no lifespan, as Django."""
    raise ValueError("only http")


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that does not care."""


async def raises_after_reading(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that fails while it starts."""
    await receive()
    raise StartupError


def types(conversation: Conversation) -> list[str]:
    """What was sent."""
    return [message["type"] for message in conversation.sent]


@each_backend
@pytest.mark.parametrize("app", [lives, returns])
def test_startup_opens_the_trail_and_shutdown_empties_it(app: ASGIApp, backend: str) -> None:
    """Whether the application has a lifespan or not, all is delivered before the server hears `shutdown.complete`."""
    sink = MemorySink()
    trail = AuditTrail(sink)
    delivered: dict[str, int] = {}
    opened: list[int] = []

    def passing(message: Message) -> None:
        delivered[message["type"]] = len(sink.records)
        opened.append(trail.stats().accepted)
        if message["type"] == "lifespan.startup.complete":
            for _ in range(100):
                trail.event("something.done")

    conversation = Conversation(STARTUP, SHUTDOWN, passing=passing)
    converse(backend, AuditMiddleware(app, trail), dict(SCOPE), conversation)
    trail.close()
    assert conversation.raised is None
    assert opened[0] == 1  # the record of the trail's opening
    assert delivered == {"lifespan.startup.complete": 0, "lifespan.shutdown.complete": 100}
    assert types(conversation) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@each_backend
def test_an_application_that_refuses_lifespan_is_stood_in_for(backend: str) -> None:
    """The server hears of the refusal as without us, but only at the shutdown, and after all was delivered."""
    sink = MemorySink()
    trail = AuditTrail(sink)
    delivered: list[int] = []

    class Server(Conversation):
        async def hold(self, app: ASGIApp, scope: Scope) -> None:
            await super().hold(app, scope)
            delivered.append(len(sink.records))

    def passing(message: Message) -> None:
        trail.event("something.done")

    conversation = Server(STARTUP, SHUTDOWN, passing=passing)
    converse(backend, AuditMiddleware(raises, trail), dict(SCOPE), conversation)
    trail.close()
    assert isinstance(conversation.raised, ValueError)
    assert delivered == [1]
    assert types(conversation) == ["lifespan.startup.complete"]


@each_backend
def test_shutdown_does_not_close_the_trail(backend: str) -> None:
    """Other applications, and late requests, may still record something."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        converse(backend, AuditMiddleware(lives, trail), dict(SCOPE), Conversation(STARTUP, SHUTDOWN))
        trail.event("something.later")
    assert [record.action for record in sink.records] == ["something.later"]


@each_backend
def test_a_failed_startup_is_passed_on(backend: str) -> None:
    """`startup.failed` is the application's word, and goes out as it is."""
    failed: Message = {"type": "lifespan.startup.failed", "message": "no database"}
    conversation = Conversation(STARTUP)
    with AuditTrail(MemorySink()) as trail:
        converse(backend, AuditMiddleware(says(failed), trail), dict(SCOPE), conversation)
    assert conversation.sent == [failed]
    assert conversation.sent[0] is failed


def test_a_failed_shutdown_is_passed_on_after_all_is_delivered() -> None:
    """`shutdown.failed` ends the server as well."""
    failed: Message = {"type": "lifespan.shutdown.failed", "message": "no disk"}
    sink = MemorySink()
    trail = AuditTrail(sink)
    seen: list[int] = []
    trail.event("something.done")
    conversation = Conversation(SHUTDOWN, passing=lambda message: seen.append(len(sink.records)))
    converse("asyncio", AuditMiddleware(says(failed), trail), dict(SCOPE), conversation)
    trail.close()
    assert conversation.sent[0] is failed
    assert seen == [1]


@each_backend
def test_an_exception_in_the_startup_goes_on(backend: str) -> None:
    """An application that has begun to start and fails is not one without a lifespan: the server must hear of it."""
    conversation = Conversation(STARTUP)
    with AuditTrail(MemorySink()) as trail:
        converse(backend, AuditMiddleware(raises_after_reading, trail), dict(SCOPE), conversation)
    assert isinstance(conversation.raised, StartupError)
    assert conversation.sent == []


def test_an_application_that_speaks_before_it_reads_has_a_lifespan() -> None:
    """Whoever sends anything takes part: its exception goes on."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.complete"})
        raise StartupError

    conversation = Conversation()
    with AuditTrail(MemorySink()) as trail:
        converse("asyncio", AuditMiddleware(app, trail), dict(SCOPE), conversation)
    assert isinstance(conversation.raised, StartupError)
    assert types(conversation) == ["lifespan.startup.complete"]


def test_state_reaches_the_application() -> None:
    """The scope is the server's own, so that what the application puts into `state` arrives in its requests."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await lives(scope, receive, send)

    scope = dict(SCOPE)
    with AuditTrail(MemorySink()) as trail:
        converse("asyncio", AuditMiddleware(app, trail), scope, Conversation(STARTUP, SHUTDOWN))
    assert seen[0] is scope
    assert scope == SCOPE


def test_a_sink_that_is_down_does_not_keep_the_server_from_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be delivered within the deadline stays where it is, and the shutdown goes on."""
    monkeypatch.setattr("asgi_audit.lifespan._DRAIN_SECONDS", 0.01)
    sink = FailingSink()
    trail = AuditTrail(sink)
    trail.event("something.done")
    conversation = Conversation(STARTUP, SHUTDOWN)
    converse("asyncio", AuditMiddleware(lives, trail), dict(SCOPE), conversation)
    assert types(conversation) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert trail.stats().failures["shutting down before all was delivered"] == 1
    sink.error = None
    trail.close()
    assert [record.action for record in sink.kept.records] == ["something.done"]


@pytest.mark.parametrize("name", UVICORN)
@pytest.mark.parametrize("mode", ["on", "off", "auto"])
@pytest.mark.parametrize("lifespan", [lives, raises])
def test_a_server_serves_and_delivers(name: str, mode: str, lifespan: ASGIApp) -> None:
    """With every lifespan setting requests are served; unless it is off, all is delivered when uvicorn has stopped."""
    sink = MemorySink()
    trail = AuditTrail(sink)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
        else:
            await says(start(201), body())(scope, receive, send)

    with (
        serving(name, AuditMiddleware(app, trail), lifespan=mode) as address,
        http_client(Theatre(address, Stage())) as client,
    ):
        assert client.post("/things").status_code == 201
    if mode == "off":
        trail.flush()
    assert [record.status for record in sink.records] == [201]
    trail.close()


def test_a_server_whose_application_cannot_start_does_not_start() -> None:
    """What the application says of its startup decides, as if nothing were wrapped around it."""
    trail = AuditTrail(MemorySink())
    with pytest.raises(Stopped), serving(UVICORN[0], AuditMiddleware(raises_after_reading, trail), lifespan="on"):
        pass
