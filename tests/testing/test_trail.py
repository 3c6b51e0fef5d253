"""The trail for tests: what was recorded is there at once, and it can stand in for the application's own."""

import threading
from pathlib import Path
from typing import Any

import pytest

from asgi_audit import Actor, AuditMiddleware, AuditTrail, ConfigurationError, Kind, Level, Policy, Redactor, Rule
from asgi_audit import annotate as annotate_request
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import FailingSink, MemorySink, MemoryTrail
from tests.asgi.conversation import Conversation, converse

POST: Scope = {"type": "http", "method": "POST", "path": "/users", "headers": [], "query_string": b"token=s3cr3t"}
START: Message = {"type": "http.response.start", "status": 200, "headers": []}
BODY: Message = {"type": "http.response.body", "body": b"", "more_body": False}


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve anything."""
    await send(START)
    await send(BODY)


def post(app: ASGIApp, **scope: Any) -> Conversation:
    """Send one request to the application."""
    return converse("asyncio", app, {**POST, **scope}, Conversation({"type": "http.request"}))


def test_a_record_is_there_when_the_response_is_over() -> None:
    """Nobody has to wait: it is there before the client can know that the response is over."""
    trail = MemoryTrail()
    seen: list[int] = []
    conversation = Conversation({"type": "http.request"}, passing=lambda message: seen.append(len(trail.records)))
    converse("asyncio", AuditMiddleware(answer, trail), {**POST}, conversation)
    assert seen == [0, 1]
    trail.close()


def test_a_failure_is_there_before_the_exception() -> None:
    """Frameworks send the 500 first, and raise then: the exception is added to the record that is there."""

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 500})
        await send(BODY)
        seen.append(trail.assert_audited(outcome="failed", status=500))
        raise ValueError("after")

    trail = MemoryTrail()
    seen: list[Any] = []
    post(AuditMiddleware(fail, trail))
    record = trail.assert_audited(outcome="error", status=500)
    assert record.id == seen[0].id
    assert record.error is not None
    assert record.error.type == "ValueError"
    trail.close()


def test_records_stand_in_their_order() -> None:
    """Those of the application; `everything` has the trail's own among them."""
    trail = MemoryTrail()
    for number in range(3):
        trail.event(f"action.{number}")
    trail.close()
    assert [record.action for record in trail.records] == ["action.0", "action.1", "action.2"]
    assert [record.kind for record in trail.everything] == [Kind.OPEN, *[Kind.EVENT] * 3, Kind.CLOSE]


def test_what_was_prepared_can_be_forgotten() -> None:
    """A test that prepares by requests of its own looks only at what comes then."""
    trail = MemoryTrail()
    trail.event("prepare")
    trail.clear()
    trail.event("act")
    assert [record.action for record in trail.records] == ["act"]
    trail.close()


def test_it_takes_what_any_trail_takes() -> None:
    """Policy, redaction, actors, tenants, proxies and service are as they would be."""
    trail = MemoryTrail(
        policy=Policy([Rule(Level.REQUEST, methods=["POST"])]),
        redact=Redactor(deny=["colour"]),
        identify=lambda scope: Actor("42"),
        tenant=lambda scope: "acme",
        trusted_proxies=["10.0.0.0/8"],
        service="billing",
    )
    headers = [(b"x-forwarded-for", b"192.0.2.1")]
    post(AuditMiddleware(answer, trail), query_string=b"colour=red", client=("10.0.0.1", 1), headers=headers)
    record = trail.assert_audited(actor="42", tenant="acme")
    assert record.service == "billing"
    assert record.source is not None
    assert record.source.ip == "192.0.2.1"
    assert record.request is not None
    assert record.request.query == "colour=[redacted]"
    assert record.request.headers is not None
    trail.close()


def test_it_stands_in_for_the_applications_trail() -> None:
    """Whose policy and redaction count, and whose sinks see nothing of it: neither now nor later."""
    sink = MemorySink()
    own = AuditTrail(sink, policy=Policy([Rule(Level.NONE, paths=["/health"]), *Policy.mutations]), service="billing")
    app = AuditMiddleware(answer, own)
    trail = MemoryTrail()
    with trail.instead_of(own):
        post(app)
        post(app, path="/health")
        own.event("by.hand")
        own.flush()
    assert [record.action for record in trail.records] == ["POST", "by.hand"]
    record = trail.assert_audited(kind="http")
    assert record.service == "billing"
    assert record.request is not None
    assert record.request.query == "token=[redacted]"
    post(app)
    own.close()
    assert [record.kind for record in sink.everything] == [Kind.OPEN, Kind.HTTP, Kind.CLOSE]
    assert len(trail.records) == 2
    trail.close()


def test_the_applications_trail_is_put_back() -> None:
    """Also after a failed test, and after one stand-in within another."""
    sink = MemorySink()
    own, outer, inner = AuditTrail(sink), MemoryTrail(), MemoryTrail()
    with outer.instead_of(own):
        with pytest.raises(AssertionError), inner.instead_of(own):
            assert own.event("inner") is None
        own.event("outer")
    own.event("own")
    own.close()
    assert [[record.action for record in each.records] for each in (inner, outer, sink)] == [
        ["inner"],
        ["outer"],
        ["own"],
    ]
    for trail in (inner, outer):
        trail.close()


def test_a_sink_that_is_down_does_not_matter() -> None:
    """The application's sinks are not asked while another trail stands in."""
    sink = FailingSink()
    own, trail = AuditTrail(sink), MemoryTrail()
    with trail.instead_of(own), own:
        own.event("by.hand")
    assert sink.attempts == 0
    assert own.stats().accepted == 0
    trail.close()


def test_required_records_are_served(tmp_path: Path) -> None:
    """What must not happen unrecorded happens: in a test, memory is durable enough."""
    policy = Policy([Rule(Level.METADATA, methods=["POST"], required=True)])
    own, trail = AuditTrail(MemorySink(), policy=policy, journal=tmp_path / "journal"), MemoryTrail(policy=policy)
    with trail.instead_of(own):
        post(AuditMiddleware(answer, own))
    post(AuditMiddleware(answer, trail))
    trail.assert_audited(times=2, outcome="success", status=200)
    trail.close()
    own.close()


def test_only_a_trail_can_be_stood_in_for() -> None:
    """Who gives the application hears where its trail is."""
    trail = MemoryTrail()
    app: Any = AuditMiddleware(answer, trail)
    with pytest.raises(ConfigurationError, match=r"an AuditMiddleware it is `\.trail`"), trail.instead_of(app):
        pass


def test_it_leaves_no_thread() -> None:
    """However many tests there are."""
    before = set(threading.enumerate())
    for _ in range(3):
        with MemoryTrail() as trail:
            trail.event("act")
    assert set(threading.enumerate()) <= before


def test_notes_of_a_request_are_found() -> None:
    """All that a test can expect of one, at once."""

    async def approve(scope: Scope, receive: Receive, send: Send) -> None:
        annotate_request(action="invoice.approve", reason="four eyes", data={"cents": 1999, "currency": "EUR"})
        await answer(scope, receive, send)

    trail = MemoryTrail()
    post(AuditMiddleware(approve, trail), path="/invoices")
    trail.assert_audited(
        action="invoice.approve",
        actor=None,
        target=None,
        outcome="success",
        status=200,
        reason="four eyes",
        tenant=None,
        data={"cents": 1999},
        kind="http",
        method="POST",
        path="/invoices",
        route=None,
    )
    trail.close()
