"""Promise 1 as a law: whatever an application does, it and its server see the same with and without the middleware."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import anyio
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_audit import AuditMiddleware, AuditTrail, Kind, Level, MemoryJournal, Policy, Record, Rule
from asgi_audit._types import ASGIApp, Message, Scope
from asgi_audit.testing import FailingSink, MemorySink
from tests.asgi.behaviours import Behaviour, Step, steps
from tests.asgi.conversation import http_scope, request, websocket_scope
from tests.delivery.faulty import FAST
from tests.durable import DurableJournal

KEY = "asgi_audit"
CLIENT: list[Message] = [{"type": "http.request", "body": b"ab", "more_body": True}, *request(b"cd")]
WEIRD: list[Message] = [{"type": "http.request"}, {"type": "http.request", "body": None}, {}]


class Seen(NamedTuple):
    """What there was to be seen of one run, messages by their number among those that the application made."""

    sent: list[int]
    headers: list[list[Any]]  # as the server read them, once
    heard: list[int]
    reads: int
    calls: int
    raised: str | None
    same_error: bool
    scope: dict[str, Any]
    same_scope: bool


class Server:
    """A server that takes everything; it refuses message number `refuses`, and cancels when nothing moves any more."""

    def __init__(self, incoming: list[Message], refuses: int | None) -> None:
        self.incoming = incoming
        self.refuses = refuses
        self.sent: list[Message] = []
        self.headers: list[list[Any]] = []
        self.reads = 0

    async def receive(self) -> Message:
        """Say the next thing, or wait for ever."""
        self.reads += 1
        await anyio.lowlevel.checkpoint()
        if self.reads > len(self.incoming):
            await anyio.sleep_forever()
        return self.incoming[self.reads - 1]

    async def send(self, message: Message) -> None:
        """Take the message."""
        if len(self.sent) == self.refuses:
            self.refuses = None
            raise BrokenPipeError("gone")
        self.sent.append(message)
        self.headers.append(list(message.get("headers", ())))
        await anyio.lowlevel.checkpoint()


async def run(wrap: Any, played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None) -> Seen:
    """Play a behaviour, bare or wrapped; where it waits for ever it is cancelled."""
    behaviour = Behaviour(played)
    server = Server(incoming, refuses)
    app: ASGIApp = wrap(behaviour)
    out: list[BaseException] = []

    async def serve() -> None:
        try:
            await app(scope, server.receive, server.send)
        except BaseException as error:
            out.append(error)
            if isinstance(error, trio.Cancelled):
                raise

    async with anyio.create_task_group() as group:
        group.start_soon(serve)
        for _ in range(100):  # more than any behaviour takes
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    return Seen(
        sent=[_place(message, behaviour.made) for message in server.sent],
        headers=server.headers,
        heard=[_place(message, incoming) for message in behaviour.heard],
        reads=server.reads,
        calls=behaviour.calls,
        raised=type(out[0]).__name__ if out else None,
        same_error=(out[0] if out else None) is behaviour.raised,
        scope={key: value for key, value in scope.items() if key != KEY},
        same_scope=behaviour.scope is scope,
    )


def _place(message: Message, among: list[Message]) -> int:
    return next(number for number, other in enumerate(among) if other is message)


@st.composite
def scopes(draw: st.DrawFn) -> Scope:
    """A scope from which a server may have left out what is optional, and in which it may have put nonsense."""
    scope: dict[str, Any] = dict(draw(st.sampled_from([http_scope(), websocket_scope()])))
    for key in draw(st.frozensets(st.sampled_from(["asgi", "client", "extensions", "headers", "server", "scheme"]))):
        del scope[key]
    scope |= draw(
        st.sampled_from(
            [
                {},
                {"method": "HEAD"},
                {"method": "GET"},
                {"asgi": None},
                {"asgi": {"spec_version": "2.5"}},
                {"extensions": None},
                {"extensions": {"http.response.trailers": {}}},
                {"client": None},
                {"client": ["::1", "80"]},
                {"headers": [(b"Content-Type", b"application/json")]},
                {"headers": [(b"alone",)]},
                {"headers": None},
                {"user": object()},
            ]
        )
    )
    return scope


def refuse(scope: Scope) -> None:
    """An `identify` that always fails."""
    raise RuntimeError("who knows")


def laws(test: Any) -> Any:
    """Give a test one run of chance: an application, a scope, a client, a server that may refuse, and a level."""
    return given(
        played=steps,
        scope=scopes(),
        incoming=st.sampled_from([CLIENT, WEIRD, [*CLIENT, {"type": "http.disconnect"}], []]),
        refuses=st.one_of(st.none(), st.integers(0, 3)),
        level=st.sampled_from([Level.NONE, Level.METADATA, Level.RESPONSE]),
    )(test)


class BrokenJournal(MemoryJournal):
    """A journal whose disk is gone."""

    def append(self, record: Record, intent: str | None = None) -> None:
        """Fail."""
        raise OSError("no such device")

    hold = append


def compare(
    backend: str, trail: AuditTrail, played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None
) -> None:
    """Run it bare, run it wrapped, see the same."""
    both = [
        anyio.run(run, wrap, played, dict(scope), incoming, refuses, backend=backend)
        for wrap in (lambda app: app, lambda app: AuditMiddleware(app, trail))
    ]
    assert both[0] == both[1]
    assert both[1].calls == 1
    assert both[1].same_error
    assert both[1].same_scope


def check(
    backend: str, played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None, level: Level
) -> None:
    """See the same, and exactly one record of what is recorded."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy([Rule(level)]), identify=refuse) as trail:
        compare(backend, trail, played, scope, incoming, refuses)
    check_records(sink.records, level)


def check_records(records: list[Record], level: Level) -> None:
    """One of the connection, if there is to be one, to which the others are linked."""
    connections = [record for record in records if record.kind is not Kind.EVENT]
    assert len(connections) == (0 if level is Level.NONE else 1)
    assert all(event.parent == connections[0].id for event in records if event.kind is Kind.EVENT)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@laws
def test_nobody_can_tell_on_asyncio(
    played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None, level: Level
) -> None:
    """Same scope, same messages in the same order, as many reads, the same exception; and one record."""
    check("asyncio", played, scope, incoming, refuses, level)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@laws
def test_nobody_can_tell_on_trio(
    played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None, level: Level
) -> None:
    """The same under trio."""
    check("trio", played, scope, incoming, refuses, level)


class Strict(NamedTuple):
    """A trail that must have each request on its disk, before it runs and before its response ends."""

    trail: AuditTrail
    journal: DurableJournal
    sink: MemorySink


@pytest.fixture(scope="module")
def strict() -> Iterator[dict[Level, Strict]]:
    """One for each level."""
    made: dict[Level, Strict] = {}
    with contextlib.ExitStack() as stack:
        for level in (Level.NONE, Level.METADATA, Level.RESPONSE):
            journal, sink = DurableJournal(synchronous=True), MemorySink()
            policy = Policy([Rule(level, required=level is not Level.NONE)])
            trail = AuditTrail(sink, policy=policy, identify=refuse, journal=journal, delivery=FAST)
            made[level] = Strict(stack.enter_context(trail), journal, sink)
        yield made


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@laws
def test_nobody_can_tell_that_a_disk_is_waited_for(
    strict: dict[Level, Strict],
    backend: str,
    played: list[Step],
    scope: Scope,
    incoming: list[Message],
    refuses: int | None,
    level: Level,
) -> None:
    """The same where a record is required and each response waits for its own; and each intent has ended once."""
    trail, journal, sink = strict[level]
    for earlier in (journal.intents, journal.ended, sink.everything):
        earlier.clear()
    compare(backend, trail, played, scope, incoming, refuses)
    trail.flush()
    check_records(sink.records, level)
    assert len(journal.intents) == len(journal.ended) == (0 if level is Level.NONE else 1)
    assert journal.open == []


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@laws
def test_nobody_can_tell_when_all_of_ours_fails(
    played: list[Step], scope: Scope, incoming: list[Message], refuses: int | None, level: Level
) -> None:
    """A sink that is down and a journal that fails change nothing of what server and application see."""
    trail = AuditTrail(FailingSink(), policy=Policy([Rule(level)]), identify=refuse, journal=BrokenJournal())
    compare("asyncio", trail, played, scope, incoming, refuses)
    trail.close(timeout=0)
