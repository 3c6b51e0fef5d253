"""Rules that fail closed: without an intent in the journal the application is never entered."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio
import pytest
import trio

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.draft import Draft
from asgi_audit.errors import JournalFull
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import (
    BACKENDS,
    Conversation,
    body,
    converse,
    http_scope,
    request,
    start,
    websocket_scope,
)
from tests.asgi.endings import close
from tests.durable import DurableJournal

each_backend = pytest.mark.parametrize("backend", BACKENDS)
CONNECT: Message = {"type": "websocket.connect"}
DENIAL: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}
REQUIRED = Policy([Rule(Level.METADATA, required=True)])
REFUSED = "a required record could not be written: the request was refused"


class Counter:
    """An application that counts how often it is entered, and with how many open intents."""

    def __init__(self, journal: DurableJournal) -> None:
        self._journal = journal
        self.entered: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, and answer."""
        self.entered.append(len(self._journal.open))
        await receive()
        if scope["type"] == "http":
            await send(start(204))
            await send(body())
        else:
            await send(close(1008))


def failing(journal: DurableJournal) -> None:
    """A disk that takes nothing."""
    journal.broken = OSError("input/output error")


def full(journal: DurableJournal) -> None:
    """A journal without room."""
    journal.broken = JournalFull("no room")


def hanging(journal: DurableJournal) -> None:
    """A disk that takes everything, and never says that it has it."""
    journal.synchronous, journal.settling, journal.deadline = True, False, 0.001


def unclear(journal: DurableJournal) -> None:
    """A journal that fails when it is asked."""

    def on_settled(done: Callable[[], None]) -> bool:
        raise OSError("input/output error")

    journal.on_settled = on_settled  # type: ignore[method-assign]


def forgetful(journal: DurableJournal) -> None:
    """A journal that turns out not to outlive the process."""
    journal.durable = False


each_break = pytest.mark.parametrize("breaks", [failing, full, hanging, unclear, forgetful])


class Served(NamedTuple):
    """What became of one connection."""

    app: Counter
    conversation: Conversation
    records: list[Record]
    failures: dict[str, int]


def served(
    scope: Scope,
    *said: Message,
    breaks: Callable[[DurableJournal], None] = lambda journal: None,
    journal: DurableJournal | None = None,
    backend: str = "asyncio",
    policy: Policy = REQUIRED,
    refuses: dict[int, BaseException] | None = None,
) -> Served:
    """Serve one connection with a journal that breaks before it comes."""
    journal = journal or DurableJournal()
    app = Counter(journal)
    sink = MemorySink()
    with AuditTrail(sink, policy=policy, journal=journal) as trail:
        breaks(journal)
        conversation = Conversation(*said, refuses=refuses)
        converse(backend, AuditMiddleware(app, trail), dict(scope), conversation)
        trail.flush()
        failures = trail.stats().failures
        assert bool(trail.health()) == (REFUSED not in failures)
    assert journal.open == []
    return Served(app, conversation, sink.records, failures)


@each_backend
@pytest.mark.parametrize("synchronous", [False, True])
def test_a_request_that_is_on_record_is_served(synchronous: bool, backend: str) -> None:
    """The intent is there when the application is entered."""
    journal = DurableJournal(synchronous=synchronous)
    app, conversation, (record,), failures = served(http_scope(), *request(), journal=journal, backend=backend)
    assert app.entered == [1]
    assert conversation.sent == [start(204), body()]
    assert record.outcome == "success"
    assert REFUSED not in failures


@each_backend
@each_break
@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_request_that_cannot_be_on_record_is_refused(
    method: str, breaks: Callable[[DurableJournal], None], backend: str
) -> None:
    """With 503, when to come again, and why (RFC 9457); the application never hears of it."""
    app, conversation, (record,), failures = served(http_scope(method), *request(), breaks=breaks, backend=backend)
    assert app.entered == []
    assert (conversation.reads, conversation.raised) == (0, None)
    begin, end = conversation.sent
    headers = dict(begin["headers"])
    assert (begin["type"], begin["status"]) == ("http.response.start", 503)
    assert headers[b"content-type"] == b"application/problem+json"
    assert int(headers[b"retry-after"]) > 0
    assert int(headers[b"content-length"]) == len(end["body"])
    problem = json.loads(end["body"])
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Service Unavailable", 503)
    assert "not carried out" in problem["detail"]
    assert (end["type"], end.get("more_body", False)) == ("http.response.body", False)
    assert (record.outcome, record.status, record.action) == ("refused", 503, method)
    assert failures[REFUSED] == 1


@each_backend
@each_break
@pytest.mark.parametrize(
    ("extensions", "status", "kinds"),
    [
        ({}, 403, ["websocket.close"]),
        ({"extensions": None}, 403, ["websocket.close"]),
        (DENIAL, 503, ["websocket.http.response.start", "websocket.http.response.body"]),
    ],
    ids=["close", "no extensions", "denial"],
)
def test_a_websocket_that_cannot_be_on_record_is_denied(
    extensions: dict[str, Any], status: int, kinds: list[str], breaks: Callable[[DurableJournal], None], backend: str
) -> None:
    """Before it is accepted, once the client has asked; by a response where the server can send one."""
    scope = websocket_scope(**extensions)
    app, conversation, (record,), failures = served(scope, CONNECT, breaks=breaks, backend=backend)
    assert app.entered == []
    assert conversation.reads == 1
    assert [message["type"] for message in conversation.sent] == kinds
    assert conversation.sent[0].get("code", 1013) == 1013
    assert conversation.sent[0].get("status", 503) == 503
    assert (record.outcome, record.status, record.action) == ("refused", status, "WEBSOCKET")
    assert record.websocket is not None
    assert failures[REFUSED] == 1


def test_a_websocket_whose_client_has_gone_is_denied_nothing() -> None:
    """There is nobody to tell; it is on record all the same."""
    gone: Message = {"type": "websocket.disconnect", "code": 1006}
    app, conversation, (record,), _ = served(websocket_scope(), gone, breaks=failing)
    assert (app.entered, conversation.sent, record.outcome) == ([], [], "refused")


@each_backend
def test_the_application_waits_for_the_disk(backend: str) -> None:
    """It is entered when the disk has the intent, and not before."""
    journal = DurableJournal(synchronous=True)
    journal.settling = False
    app = Counter(journal)
    entered_before: list[int] = []

    def sync() -> None:
        assert journal.asked.wait(20)
        entered_before.append(len(app.entered))
        journal.settling = True
        journal.settle()

    disk = threading.Thread(target=sync)
    with AuditTrail(MemorySink(), policy=REQUIRED, journal=journal) as trail:
        disk.start()
        converse(backend, AuditMiddleware(app, trail), http_scope(), Conversation(*request()))
        disk.join()
    assert (entered_before, app.entered) == ([0], [1])


@each_backend
@pytest.mark.parametrize("scope", [http_scope(), websocket_scope()], ids=["http", "websocket"])
def test_what_is_called_off_while_it_waits_never_begins(scope: Scope, backend: str) -> None:
    """The cancellation passes, the application is not entered, and the record says how it ended."""
    journal = DurableJournal(synchronous=True)
    journal.settling = False
    app = Counter(journal)
    sink = MemorySink()
    conversation = Conversation(*request())

    async def serve(trail: AuditTrail) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(conversation.hold, AuditMiddleware(app, trail), dict(scope))
            while not journal.asked.is_set():
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        journal.settle()  # too late for anybody

    with AuditTrail(sink, policy=REQUIRED, journal=journal) as trail:
        anyio.run(serve, trail, backend=backend)
    assert type(conversation.raised) is {"asyncio": asyncio.CancelledError, "trio": trio.Cancelled}[backend]
    assert (app.entered, conversation.sent, conversation.reads) == ([], [], 0)
    assert [(record.outcome, record.status) for record in sink.records] == [("cancelled", None)]
    assert journal.ended == [(journal.intents[0].id, sink.records[0].id)]


def test_a_refusal_is_recorded_at_the_level_of_its_rule() -> None:
    """What the client got is in the record, if the rule asks for that."""
    policy = Policy([Rule(Level.RESPONSE, required=True)])
    _, conversation, (record,), _ = served(http_scope(), *request(), breaks=failing, policy=policy)
    assert record.response is not None
    assert record.response.size == len(conversation.sent[1]["body"])
    assert ("retry-after", "5") in (record.response.headers or [])


def test_a_refusal_leaves_nothing_of_the_request_behind() -> None:
    """Whoever keeps its draft keeps that alone, and what he says of it later is an event."""
    sink = MemorySink()
    journal = DurableJournal()
    with AuditTrail(sink, policy=REQUIRED, journal=journal) as trail:
        failing(journal)
        scope = http_scope()
        converse("asyncio", AuditMiddleware(Counter(journal), trail), scope, Conversation(*request()))
        draft: Draft = scope["asgi_audit"]
        assert (draft.scope, draft.opening, draft.finished) == (None, None, True)
        draft.annotate(reason="the disk is full")
    record, event = sink.records
    assert (event.parent, event.reason) == (record.id, "the disk is full")


def test_a_refusal_that_a_rule_by_status_leaves_out_is_counted() -> None:
    """The policy decides of its record as of any other."""
    policy = Policy([Rule(Level.NONE, statuses=[503]), Rule(Level.METADATA, required=True)])
    app, _, records, failures = served(http_scope(), *request(), breaks=hanging, policy=policy)
    assert (app.entered, records, failures[REFUSED]) == ([], [], 1)


def test_other_requests_go_on() -> None:
    """A rule that does not require a record fails safe beside one that does."""
    policy = Policy([Rule(Level.METADATA, paths=["/pay"], required=True), Rule(Level.METADATA)])
    app, conversation, (record,), failures = served(
        http_scope(path="/other"), *request(), journal=(journal := DurableJournal()), policy=policy
    )
    assert (app.entered, len(conversation.sent), record.outcome) == ([1], 2, "success")
    assert (journal.waits, REFUSED in failures) == (0, False)


def test_a_finished_action_is_never_made_an_error() -> None:
    """A journal that breaks while the application runs changes nothing of its response."""
    journal = DurableJournal()

    def fail(record: Record, intent: str | None = None) -> None:
        raise OSError("input/output error")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        hanging(journal)
        journal.append = fail  # type: ignore[method-assign]
        await send(start(201))
        await send(body(b"done"))

    trail = AuditTrail(MemorySink(), policy=REQUIRED, journal=journal)
    conversation = Conversation(*request())
    converse("asyncio", AuditMiddleware(app, trail), http_scope(), conversation)
    assert conversation.sent == [start(201), body(b"done")]
    assert trail.stats().failures["the journal failed: records are lost"] == 1
    trail.close(timeout=0)


def test_a_client_that_has_gone_raises_as_from_an_application() -> None:
    """What the server raises at the refusal comes out of the middleware."""
    gone = BrokenPipeError()
    _, conversation, (record,), _ = served(http_scope(), *request(), breaks=failing, refuses={0: gone})
    assert conversation.raised is gone
    assert record.outcome == "refused"
