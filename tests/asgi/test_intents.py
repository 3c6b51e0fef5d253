"""Intents: on record before the application runs, and ended with the request, however that ends."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule, annotate
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.journal import FileJournal
from asgi_audit.journal.durability import Fsync
from asgi_audit.testing import MemorySink
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
from tests.asgi.endings import HTTP, WEBSOCKET, Ending
from tests.asgi.test_endings import CONNECT, check, what_the_client_says
from tests.delivery.faulty import FAST, Faulty, failing, fine
from tests.durable import DurableJournal

each_backend = pytest.mark.parametrize("backend", BACKENDS)
EVERYTHING = Policy(Policy.everything)
NOT_404 = Policy([Rule(Level.NONE, statuses=[404]), Rule(Level.METADATA)])


class Watched:
    """An application, and how many intents were open when it was entered."""

    def __init__(self, app: ASGIApp, journal: DurableJournal) -> None:
        self._app = app
        self._journal = journal
        self.open: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note it, and go on."""
        self.open.append(len(self._journal.open))
        await self._app(scope, receive, send)


def recorded(app: ASGIApp, journal: DurableJournal, policy: Policy = EVERYTHING, **scope: Any) -> list[Record]:
    """The records that one request leaves behind."""
    sink = MemorySink()
    with AuditTrail(sink, policy=policy, journal=journal) as trail:
        converse("asyncio", AuditMiddleware(app, trail), http_scope(**scope), Conversation(*request()))
    return sink.records


@each_backend
@pytest.mark.parametrize("ending", HTTP + WEBSOCKET, ids=lambda ending: ending.name)
def test_each_ending_ends_its_intent(ending: Ending, backend: str) -> None:
    """There is an intent before the application is entered, and its record ends it, once."""
    journal = DurableJournal()
    app = Watched(ending.app, journal)
    scope = http_scope(ending.method) if ending in HTTP else websocket_scope()
    sink = MemorySink()
    with AuditTrail(sink, policy=EVERYTHING, journal=journal) as trail:
        converse(backend, AuditMiddleware(app, trail), scope, Conversation(*what_the_client_says(ending)))
    check(ending, sink.records)
    (intent,) = journal.intents
    assert app.open == [1]
    assert journal.ended == [(intent.id, sink.records[0].id)]
    assert (intent.kind, intent.action) == (sink.records[0].kind, sink.records[0].action)


@each_backend
@pytest.mark.parametrize("scope", [http_scope(), websocket_scope()], ids=["http", "websocket"])
def test_what_is_called_off_ends_its_intent(scope: Scope, backend: str) -> None:
    """Also where the server cancels, the record is what ends it."""
    journal = DurableJournal()
    waiting = Waiting()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await waiting.here()

    sink = MemorySink()
    with AuditTrail(sink, policy=EVERYTHING, journal=journal) as trail:
        conversation = Conversation(CONNECT)
        converse_until_cancelled(backend, AuditMiddleware(app, trail), dict(scope), conversation, waiting)
    assert journal.ended == [(journal.intents[0].id, sink.records[0].id)]
    assert sink.records[0].outcome == "cancelled"


def test_a_coroutine_that_is_dropped_ends_its_intent() -> None:
    """As by a server that goes away."""
    journal = DurableJournal()
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)

    with AuditTrail(sink, journal=journal) as trail:
        conversation = Conversation()
        coroutine = AuditMiddleware(app, trail)(http_scope(), conversation.receive, conversation.send)
        coroutine.send(None)
        assert len(journal.open) == 1
        coroutine.close()
    assert journal.ended == [(journal.intents[0].id, sink.records[0].id)]


@pytest.mark.parametrize(
    ("rules", "method", "status", "intended", "recorded_at_last"),
    [
        (Policy.everything, "GET", 200, True, True),
        (Policy.mutations, "GET", 200, False, False),
        (Policy.mutations, "POST", 200, True, True),
        ([Rule(Level.NONE)], "POST", 200, False, False),
        (Policy.denials, "POST", 200, False, False),
        (Policy.denials, "POST", 403, False, True),
        ([*Policy.denials, Rule(Level.NONE)], "POST", 403, False, True),
        (NOT_404.rules, "POST", 200, True, True),
        (NOT_404.rules, "POST", 404, True, False),
        ([Rule(Level.NONE, statuses=["5xx"]), *Policy.everything], "POST", 500, True, False),
        ([Rule(Level.REQUEST, statuses=["5xx"]), *Policy.everything], "POST", 500, True, True),
    ],
)
def test_an_intent_is_for_what_a_rule_without_statuses_records(
    rules: Sequence[Rule], method: str, status: int, intended: bool, recorded_at_last: bool
) -> None:
    """A rule by status alone writes none; if one says in the end that nothing is recorded, the intent is cancelled."""
    journal = DurableJournal()
    records = [record.id for record in recorded(says(start(status), body()), journal, Policy(rules), method=method)]
    assert (len(journal.intents), len(records)) == (intended, recorded_at_last)
    assert [end for _, end in journal.ended] == (records or ["cancelled"] if intended else [])


def test_a_request_that_is_not_recorded_but_names_its_action_ends_its_intent_by_the_event() -> None:
    """There is an event in the record's place."""
    journal = DurableJournal()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        annotate(action="thing.miss")
        await says(start(404), body())(scope, receive, send)

    (event,) = recorded(app, journal, NOT_404)
    assert (event.kind, event.action) == ("event", "thing.miss")
    assert journal.ended == [(journal.intents[0].id, event.id)]


def test_a_record_is_as_young_as_its_end() -> None:
    """Its id is made with it, not with the intent; unless an event has named it as its parent before."""
    journal = DurableJournal()

    async def eventful(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_audit"].recorder.event("thing.look")
        await says(start(200), body())(scope, receive, send)

    (record,) = recorded(says(start(200), body()), journal)
    assert record.id > journal.intents[0].id
    journal = DurableJournal()
    event, record = recorded(eventful, journal)
    assert event.parent == record.id == journal.intents[0].id


def test_a_provisional_record_and_its_final_one_end_one_intent() -> None:
    """After a 500 the intent is open until the application has returned."""
    journal = DurableJournal()
    opened: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await says(start(500), body())(scope, receive, send)
        opened.extend([len(journal.held()), len(journal.open)])

    (record,) = recorded(app, journal)
    assert opened == [1, 1]
    assert journal.provisional == journal.ended == [(journal.intents[0].id, record.id)]


def test_a_record_that_cannot_be_made_cancels_its_intent() -> None:
    """It is counted as lost, not found as interrupted."""

    class Unreadable:
        def __str__(self) -> str:
            raise ValueError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {"token": Unreadable()}
        await says(start(200), body())(scope, receive, send)

    journal = DurableJournal()
    sink = MemorySink()
    with AuditTrail(sink, journal=journal) as trail:
        converse("asyncio", AuditMiddleware(app, trail), http_scope(), Conversation(*request()))
        trail.flush()
        assert trail.stats().failures["a record could not be made"] == 1
    assert sink.records == []
    assert journal.ended == [(journal.intents[0].id, "cancelled")]


def test_an_intent_that_cannot_be_written_costs_nothing() -> None:
    """The request is served and recorded; the failure is counted."""
    journal = DurableJournal()
    journal.broken = OSError("no space left")
    sink = MemorySink()
    with AuditTrail(sink, journal=journal) as trail:
        conversation = Conversation(*request())
        converse("asyncio", AuditMiddleware(says(start(200), body()), trail), http_scope(), conversation)
        assert trail.stats().failures["an intent could not be written"] == 1
    assert conversation.sent == [start(200), body()]
    assert len(sink.records) == 1
    assert journal.ended == []


def test_an_intent_that_cannot_be_cancelled_costs_nothing() -> None:
    """No record is declared lost where none was to be made."""

    class Stuck(DurableJournal):
        def cancel(self, intent: str) -> None:
            raise OSError("read-only file system")

    with AuditTrail(MemorySink(), journal=Stuck(), policy=NOT_404) as trail:
        conversation = Conversation(*request())
        converse("asyncio", AuditMiddleware(says(start(404), body()), trail), http_scope(), conversation)
        stats = trail.stats()
    assert conversation.raised is None
    assert stats.failures["an intent could not be cancelled"] == 1
    assert stats.sinks[0].lost == stats.undeclared == 0


def test_a_sinks_own_requests_leave_no_intents() -> None:
    """Else each batch would make the next one."""
    journal = DurableJournal()
    seen: list[int] = []

    async def take(records: Any) -> None:
        scope, conversation = http_scope(), Conversation(*request())
        await AuditMiddleware(says(start(200), body()), trail)(scope, conversation.receive, conversation.send)
        seen.append(len(conversation.sent))

    with AuditTrail(take, journal=journal) as trail:
        trail.event("a")
        trail.flush()
    assert seen
    assert set(seen) == {2}
    assert journal.intents == []


@pytest.mark.parametrize("fsync", get_args(Fsync))
@pytest.mark.parametrize("eventful", [False, True])
def test_a_request_whose_process_dies_is_found_interrupted(fsync: Fsync, eventful: bool, tmp_path: Path) -> None:
    """What stood on the disk when the application ran makes a record, of which what it said before is a part."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if eventful:
            scope["asgi_audit"].recorder.event("thing.look")
        shutil.copytree(tmp_path / "living", tmp_path / "dead")  # as a process that dies now leaves it
        living.behave = fine
        await says(start(200), body())(scope, receive, send)

    living, found = Faulty(failing), Faulty()
    with AuditTrail(living, journal=FileJournal(tmp_path / "living", fsync=fsync), delivery=FAST) as trail:
        converse("asyncio", AuditMiddleware(app, trail), http_scope(), Conversation(*request()))
    with AuditTrail(found, journal=FileJournal(tmp_path / "dead", fsync=fsync)):
        found.wait(lambda: any(record.outcome == "interrupted" for record in found.kept.records))
    *events, record = found.kept.records
    assert (record.kind, record.action, record.outcome, record.status) == ("http", "POST", "interrupted", None)
    assert record.request is not None
    assert (record.request.path, record.request.host) == ("/things/7", "example.org")
    assert [(event.action, event.parent) for event in events] == ([("thing.look", record.id)] if eventful else [])
    assert living.kept.records[-1].outcome == "success"
