"""`fsync="always"`: the message from which the client can know that it is over waits for the disk, no other does."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Record, Rule
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import (
    BACKENDS,
    Conversation,
    body,
    converse,
    http_scope,
    request,
    says,
    start,
    websocket_scope,
)
from tests.asgi.endings import HTTP, WEBSOCKET, Ending, close, denial, socket, then_raises
from tests.asgi.test_endings import CONNECT, check, what_the_client_says
from tests.durable import DurableJournal

each_backend = pytest.mark.parametrize("backend", BACKENDS)
EVERYTHING = Policy(Policy.everything)
LATE = "the journal was not on the disk within its deadline"
LENGTH = (b"content-length", b"2")


class Watching(DurableJournal):
    """Notes, whenever somebody waits, how many messages had passed by then."""

    def __init__(self, conversation: Conversation) -> None:
        super().__init__(synchronous=True)
        self.conversation = conversation
        self.passed: list[int] = []

    def on_settled(self, done: Callable[[], None]) -> bool:
        """Note it."""
        self.passed.append(len(self.conversation.sent))
        return super().on_settled(done)


@each_backend
@pytest.mark.parametrize("ending", HTTP + WEBSOCKET, ids=lambda ending: ending.name)
def test_each_ending_is_as_it_would_be(ending: Ending, backend: str) -> None:
    """The same record, the same messages, and at most one wait."""
    said = what_the_client_says(ending)
    scope = http_scope(ending.method) if ending in HTTP else websocket_scope()
    bare = converse(backend, ending.app, dict(scope), Conversation(*said))
    conversation = Conversation(*said)
    journal = Watching(conversation)
    sink = MemorySink()
    with AuditTrail(sink, policy=EVERYTHING, journal=journal) as trail:
        converse(backend, AuditMiddleware(ending.app, trail), scope, conversation)
    check(ending, sink.records)
    assert conversation.sent == bare.sent
    assert journal.waits <= 1
    assert len(journal.ended) == 1


@each_backend
@pytest.mark.parametrize(
    ("scope", "app", "passed"),
    [
        (http_scope(), says(start(200), body(b"one", more=True), body()), 2),
        (http_scope(), says(start(200, [LENGTH]), body(b"ab", more=True), body()), 1),
        (http_scope("HEAD"), says(start(200), body()), 0),
        (http_scope(), says(start(204), body()), 0),
        (http_scope(), says(start(200), {"type": "http.response.pathsend", "path": "/film"}), 1),
        (http_scope(), says(start(503), body(b"sorry")), 1),
        (http_scope(asgi={"spec_version": "2.5"}), says(start(200), body(b"new")), 1),
        (websocket_scope(), socket({"type": "websocket.send", "text": "hello"}, close(1000)), 2),
        (websocket_scope(), says(close(1008)), 0),
        (websocket_scope(), denial(401), 1),
    ],
    ids=["stream", "length", "HEAD", "204", "pathsend", "503", "2.5", "ws close", "ws rejected", "ws denied"],
)
def test_the_last_message_waits_for_the_disk(scope: Scope, app: ASGIApp, passed: int, backend: str) -> None:
    """It passes when the disk has the record; those before it have passed at once."""
    conversation = Conversation(CONNECT)
    journal = Watching(conversation)
    journal.settling = False
    before: list[int] = []

    def sync() -> None:
        assert journal.asked.wait(20)
        before.append(len(conversation.sent))
        journal.settle()

    disk = threading.Thread(target=sync)
    with AuditTrail(MemorySink(), policy=EVERYTHING, journal=journal) as trail:
        disk.start()
        converse(backend, AuditMiddleware(app, trail), dict(scope), conversation)
        disk.join()
        assert LATE not in trail.stats().failures
    assert (before, journal.passed) == ([passed], [passed])
    assert len(conversation.sent) > passed


@each_backend
def test_a_disk_that_never_answers_delays_and_no_more(backend: str) -> None:
    """Past the deadline the response goes on, and that is counted."""
    conversation = Conversation(*request())
    journal = Watching(conversation)
    journal.settling, journal.deadline = False, 0.001
    with AuditTrail(MemorySink(), policy=EVERYTHING, journal=journal) as trail:
        app = says(start(200), body(b"one", more=True), body())
        converse(backend, AuditMiddleware(app, trail), http_scope(), conversation)
        assert trail.stats().failures[LATE] == 1
        assert not trail.health()
    assert conversation.sent == [start(200), body(b"one", more=True), body()]
    journal.settle()  # when the loop is long gone


def test_a_journal_that_cannot_say_delays_nothing() -> None:
    """Its failure is counted."""

    class Broken(DurableJournal):
        def on_settled(self, done: Callable[[], None]) -> bool:
            raise OSError("input/output error")

    with AuditTrail(MemorySink(), policy=EVERYTHING, journal=Broken(synchronous=True)) as trail:
        conversation = Conversation(*request())
        converse("asyncio", AuditMiddleware(says(start(204), body()), trail), http_scope(), conversation)
        assert trail.stats().failures["the journal can't say when it is on the disk"] == 1
    assert len(conversation.sent) == 2


@pytest.mark.parametrize(
    ("rules", "waits"),
    [
        ([Rule(Level.NONE, statuses=[200]), Rule(Level.METADATA)], 0),
        ([Rule(Level.NONE, statuses=[500]), Rule(Level.METADATA)], 1),
        (Policy.denials, 0),
    ],
)
def test_what_is_not_recorded_waits_for_nothing(rules: list[Rule], waits: int) -> None:
    """Others may have written meanwhile; that is theirs to wait for."""
    for scope, app in ((http_scope(), says(start(200), body())), (websocket_scope(), denial(200))):
        conversation = Conversation(CONNECT)
        journal = Watching(conversation)
        with AuditTrail(MemorySink(), policy=Policy(rules), journal=journal) as trail:
            converse("asyncio", AuditMiddleware(app, trail), scope, conversation)
        assert journal.waits == waits
        assert len(conversation.sent) == 2


@each_backend
@pytest.mark.parametrize(
    ("scope", "last", "more"),
    [
        (http_scope(), body(b"end"), [body(b"and"), body(b"on")]),
        (
            websocket_scope(),
            close(1000),
            [{"type": "websocket.send", "text": "and"}, {"type": "websocket.send", "text": "on"}],
        ),
    ],
    ids=["http", "websocket"],
)
def test_nothing_overtakes_the_last_message(scope: Scope, last: Message, more: list[Message], backend: str) -> None:
    """What other tasks say while it waits comes after it, as it would have without us."""
    conversation = Conversation(CONNECT)
    journal = Watching(conversation)
    journal.settling = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def say(message: Message) -> None:
            await send(message)

        first: Message = start(200) if scope["type"] == "http" else {"type": "websocket.accept"}
        await send(first)
        async with anyio.create_task_group() as group:
            group.start_soon(say, last)
            while not journal.asked.is_set():
                await anyio.lowlevel.checkpoint()
            for message in more:
                group.start_soon(say, message)
                for _ in range(10):  # more than a send takes
                    await anyio.lowlevel.checkpoint()
            journal.settle()

    with AuditTrail(MemorySink(), policy=EVERYTHING, journal=journal) as trail:
        converse(backend, AuditMiddleware(app, trail), dict(scope), conversation)
    assert conversation.sent[1:] == [last, *more]


def called_off(scope: Scope, app: ASGIApp, backend: str) -> tuple[Conversation, list[Record]]:
    """Serve a connection, and cancel it while its last message waits."""
    conversation = Conversation(CONNECT)
    journal = Watching(conversation)
    journal.settling = False
    sink = MemorySink()

    async def serve(trail: AuditTrail) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(conversation.hold, AuditMiddleware(app, trail), dict(scope))
            while not journal.asked.is_set():
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    with AuditTrail(sink, policy=EVERYTHING, journal=journal) as trail:
        anyio.run(serve, trail, backend=backend)
    return conversation, sink.records


@each_backend
@pytest.mark.parametrize(
    ("scope", "app", "outcome"),
    [
        (http_scope(), says(start(200), body()), "success"),
        (websocket_scope(), socket(close(1000)), "success"),
    ],
    ids=["http", "websocket"],
)
def test_a_last_message_that_is_called_off_leaves_an_event(
    scope: Scope, app: ASGIApp, outcome: str, backend: str
) -> None:
    """The record was made before; that the client never saw the end is told by an event linked to it."""
    conversation, (record, event) = called_off(scope, app, backend)
    assert len(conversation.sent) == 1
    assert (record.outcome, event.outcome, event.parent) == (outcome, "cancelled", record.id)


@each_backend
def test_a_500_that_is_called_off_while_it_waits_was_cancelled(backend: str) -> None:
    """Its record is still to be made."""
    conversation, (record,) = called_off(http_scope(), says(start(500), body()), backend)
    assert len(conversation.sent) == 1
    assert (record.outcome, record.status) == ("cancelled", 500)


def test_an_exception_after_the_last_message_is_an_event_as_ever() -> None:
    """Waiting changes nothing of what comes later."""
    for scope, app in ((http_scope(), says(start(200), body())), (websocket_scope(), socket(close(1000)))):
        sink = MemorySink()
        with AuditTrail(sink, policy=EVERYTHING, journal=DurableJournal(synchronous=True)) as trail:
            converse("asyncio", AuditMiddleware(then_raises(app), trail), scope, Conversation(CONNECT))
        record, event = sink.records
        assert (record.outcome, event.outcome, event.parent) == ("success", "error", record.id)


def test_many_wait_at_once() -> None:
    """Each for its own record: one answer of the disk wakes all of them."""
    journal = DurableJournal(synchronous=True)
    journal.settling = False
    served: list[Any] = []

    async def one(app: ASGIApp) -> None:
        conversation = Conversation(*request())
        await conversation.hold(app, http_scope())
        served.append(conversation.sent)

    async def serve(app: ASGIApp) -> None:
        tasks = [asyncio.ensure_future(one(app)) for _ in range(100)]
        while journal.waits < len(tasks):
            await asyncio.sleep(0)
        assert served == []
        journal.settle()
        await asyncio.gather(*tasks)

    with AuditTrail(MemorySink(), policy=EVERYTHING, journal=journal) as trail:
        asyncio.run(serve(AuditMiddleware(says(start(204)), trail)))
    assert served == [[start(204)]] * 100
