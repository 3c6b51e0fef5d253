"""What an adapter tells of a request: insight into its routing and its user, and the exceptions that are answered."""

import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Change, Policy, Record, current_actor
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.errors import ConfigurationError
from asgi_audit.identity import TenantOf
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, start, websocket_scope


class Known:
    """A framework that knows everything."""

    def route(self) -> str | None:
        return "/users/{id}"

    def params(self) -> Mapping[str, Any] | None:
        return {"id": 7}

    def user(self) -> object:
        return SimpleNamespace(id=42, name="Ada")


class Unknown(Known):
    """A framework that was not asked."""

    def route(self) -> str | None:
        return None

    def params(self) -> Mapping[str, Any] | None:
        return None

    def user(self) -> object:
        return None


class Broken(Known):
    """A framework whose objects can't be read."""

    def route(self) -> NoReturn:
        raise RuntimeError("no route")

    def user(self) -> NoReturn:
        raise RuntimeError("no user")


def recorded(app: ASGIApp, scope: Scope, *incoming: Message, policy: Policy | None = None) -> list[Record]:
    """What a request leaves."""
    sink = MemorySink()
    with AuditTrail(sink, policy=policy) as trail:
        converse("asyncio", AuditMiddleware(app, trail), scope, Conversation(*(incoming or request())))
    return sink.records


def answering(status: int, **told: Any) -> ASGIApp:
    """An application whose framework gives insight, or tells of an exception, and answers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        draft = scope["asgi_audit"]
        if "insight" in told:
            draft.insight = told["insight"]
        if "error" in told:
            draft.fail(told["error"])
        await send(start(status))
        await send(body())

    return app


def test_insight_is_on_record() -> None:
    """Route, parameters and user come from the framework, where the scope shows none."""
    (record,) = recorded(answering(200, insight=Known()), http_scope())
    assert record.request is not None
    assert (record.action, record.request.params) == ("POST /users/{id}", {"id": "7"})
    assert record.actor == Actor("42", name="Ada", source="framework")


def test_insight_goes_before_the_scope() -> None:
    """It is the innermost framework's; where it knows nobody, a user whom a layer around it has verified acts."""
    scope = http_scope(path_template="/outer", path_params={"outer": "1"}, user="grace")
    (record,) = recorded(answering(200, insight=Known()), dict(scope))
    assert (record.action, record.actor and record.actor.id) == ("POST /users/{id}", "42")
    (record,) = recorded(answering(200, insight=Unknown()), dict(scope))
    assert (record.action, record.actor and record.actor.id) == ("POST", "grace")


def test_the_actor_is_known_while_the_request_runs() -> None:
    """`current_actor` asks the framework, as far as it is."""
    seen: list[Actor | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_audit"].insight = Known()
        seen.append(current_actor())
        await answering(200)(scope, receive, send)

    recorded(app, http_scope())
    assert seen == [Actor("42", name="Ada", source="framework")]


def test_insight_that_fails_costs_no_record(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever another framework's objects do when asked is counted, and no more."""
    sink = MemorySink()
    with AuditTrail(sink) as trail, caplog.at_level(logging.WARNING, "asgi_audit"):
        app = AuditMiddleware(answering(200, insight=Broken()), trail)
        assert converse("asyncio", app, http_scope(), Conversation(*request())).raised is None
        failures = trail.stats().failures
    (record,) = sink.records
    assert (record.action, record.status, record.actor) == ("POST", 200, None)
    assert failures == {"a framework's routing could not be read": 1, "a framework's user could not be read": 1}


@pytest.mark.parametrize(
    ("status", "outcome", "error"),
    [(500, "error", "ValueError"), (503, "error", "ValueError"), (404, "failed", None), (200, "success", None)],
)
def test_an_exception_that_the_framework_answers(status: int, outcome: str, error: str | None) -> None:
    """With a 5xx it has ended the request, as one that the application raises; any other answer has dealt with it."""
    (record,) = recorded(answering(status, error=ValueError("no")), http_scope())
    assert (record.status, record.outcome) == (status, outcome)
    assert (record.error and record.error.type) == error


def test_an_exception_in_the_middle_of_a_response() -> None:
    """A framework that gives up without the end of its response, and without raising, has told why."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        await send(body(b"half", more=True))
        scope["asgi_audit"].fail(ValueError("no"))

    (record,) = recorded(app, http_scope())
    assert (record.status, record.outcome, record.error and record.error.type) == (200, "error", "ValueError")


def test_an_exception_that_is_told_after_the_500() -> None:
    """Until the application returns, the record waits for it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(500))
        await send(body())
        scope["asgi_audit"].fail(ValueError("no"))

    (record,) = recorded(app, http_scope())
    assert (record.status, record.outcome, record.error and record.error.type) == (500, "error", "ValueError")


def test_an_exception_that_is_told_after_the_record() -> None:
    """A background task that fails is a record of its own, as if it had raised."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(200))
        await send(body())
        scope["asgi_audit"].fail(ValueError("no"))

    first, second = recorded(app, http_scope())
    assert (first.outcome, first.error) == ("success", None)
    assert (second.kind, second.parent, second.outcome) == ("event", first.id, "error")
    assert (second.error and second.error.type) == "ValueError"


def test_an_exception_in_a_request_that_the_policy_skips() -> None:
    """It is on record if the request has named its action."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_audit"].annotate(action="payroll.read")
        scope["asgi_audit"].fail(ValueError("no"))
        await send(start(500))
        await send(body())

    (record,) = recorded(app, http_scope("GET"))
    assert (record.action, record.outcome, record.error and record.error.type) == (
        "payroll.read",
        "error",
        "ValueError",
    )


@pytest.mark.parametrize("accepted", [True, False], ids=["talking", "before"])
@pytest.mark.parametrize("told", [True, False], ids=["error", "answer"])
def test_a_websocket_that_the_framework_closes(accepted: bool, told: bool) -> None:
    """With an exception it has failed; without, the application has said no."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        if accepted:
            await send({"type": "websocket.accept"})
        if told:
            scope["asgi_audit"].fail(ValueError("no"))
        await send({"type": "websocket.close", "code": 4500})

    (record,) = recorded(app, websocket_scope(), {"type": "websocket.connect"})
    assert record.outcome == ("error" if told else "failed" if accepted else "denied")
    assert (record.error and record.error.type) == ("ValueError" if told else None)


def test_a_websocket_that_is_denied_with_a_response() -> None:
    """As with a close before the handshake."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_audit"].fail(ValueError("no"))
        await send({"type": "websocket.http.response.start", "status": 500})
        await send({"type": "websocket.http.response.body"})

    (record,) = recorded(app, websocket_scope(), {"type": "websocket.connect"})
    assert (record.outcome, record.error and record.error.type) == ("error", "ValueError")


def change(scope: Scope) -> None:
    """Have a row changed."""
    scope["asgi_audit"].change(Change(operation="update", type="users", id="7", after={"name": "Ada"}))


def test_changes_in_a_request_that_the_policy_skips() -> None:
    """A GET that writes is on record for what it has changed, though it has named no action."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        change(scope)
        await answering(200)(scope, receive, send)

    (record,) = recorded(app, http_scope("GET"))
    assert (record.kind, record.action) == ("event", "data.change")
    assert record.changes == [Change(operation="update", type="users", id="7", after={"name": "Ada"})]


def test_changes_after_a_request_that_the_policy_has_skipped() -> None:
    """What a background task changes is on record as well."""
    sink, scope = MemorySink(), http_scope("GET")
    with AuditTrail(sink) as trail:
        converse("asyncio", AuditMiddleware(answering(200), trail), scope, Conversation(*request()))
        change(scope)
    (record,) = sink.records
    assert (record.action, record.parent) == ("data.change", None)


def tenant_of(scope: Scope) -> str:
    """The first label of the host."""
    host: bytes = dict(scope["headers"])[b"host"]
    return host.decode().partition(".")[0]


@pytest.mark.parametrize(
    ("hook", "said", "tenant", "failures"),
    [
        (tenant_of, None, "acme", {}),
        (tenant_of, "initech", "initech", {}),
        (lambda scope: None, None, None, {}),
        (lambda scope: scope["missing"], None, None, {"tenant() raised": 1}),
        (None, "initech", "initech", {}),
    ],
)
def test_the_tenant_is_found_by_a_hook(
    hook: TenantOf | None, said: str | None, tenant: str | None, failures: dict[str, int]
) -> None:
    """`annotate` is the last word; a hook that raises costs no record, and is counted."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if said is not None:
            scope["asgi_audit"].annotate(tenant=said)
        await answering(200)(scope, receive, send)

    sink = MemorySink()
    with AuditTrail(sink, tenant=hook) as trail:
        scope = http_scope(headers=[(b"host", b"acme.example")])
        converse("asyncio", AuditMiddleware(app, trail), scope, Conversation(*request()))
        trail.event("outside")
        counted = trail.stats().failures
    request_record, event = sink.records
    assert (request_record.tenant, event.tenant) == (tenant, None)
    assert counted == failures


def test_a_hook_answers_at_once() -> None:
    """One that must be awaited is refused where it is given."""

    async def later(scope: Scope) -> str:
        return "acme"

    with pytest.raises(ConfigurationError, match=r"tenant=.*can't be awaited"):
        AuditTrail(MemorySink(), tenant=later)  # type: ignore[arg-type]
