"""Layers between us and the application: one that runs it in another task, and ones that hand it another scope."""

import copy
from collections.abc import Awaitable, Callable

import pytest
from hypercorn.middleware import ProxyFixMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Outcome, Target, annotate, current_actor, set_actor
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from tests.frameworks.conftest import Recorded


def bare(app: ASGIApp) -> ASGIApp:
    """No layer."""
    return app


def base_http(app: ASGIApp) -> ASGIApp:
    """Starlette's base class, which runs the application in a child task and passes on what comes out."""

    async def dispatch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        assert current_actor() == Actor("42", source="set_actor")
        return response

    return BaseHTTPMiddleware(app, dispatch)


def shallow(app: ASGIApp) -> ASGIApp:
    """A layer that does as the specification asks: it copies the scope before it changes it."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["path"].removeprefix("/v1")}, receive, send)

    return layer


def deep(app: ASGIApp) -> ASGIApp:
    """A layer that copies the scope and all that is in it."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        await app(copy.deepcopy(scope), receive, send)

    return layer


def proxy_fix(app: ASGIApp) -> ASGIApp:
    """Hypercorn's, which copies deeply."""
    return ProxyFixMiddleware(app, mode="legacy", trusted_hops=1)  # type: ignore[arg-type, return-value]


def all_of_them(app: ASGIApp) -> ASGIApp:
    """Each within the next."""
    return proxy_fix(base_http(shallow(base_http(deep(app)))))


def native(request: Request) -> Response:
    """What an endpoint in a thread says, by the context."""
    set_actor("42")
    annotate(target=Target("7"))
    return Response()


async def by_scope(request: Request) -> Response:
    """What an endpoint says through the scope that it got."""
    request.scope["asgi_audit"].set_actor("42")
    request.scope["asgi_audit"].annotate(target=Target("7"))
    return Response()


every_layer = pytest.mark.parametrize("layer", [bare, base_http, shallow, deep, proxy_fix, all_of_them])


@every_layer
@pytest.mark.parametrize("endpoint", [native, by_scope])
def test_what_is_said_behind_a_layer_is_recorded(
    layer: Callable[[ASGIApp], ASGIApp],
    endpoint: Callable[[Request], Response],
    trail: AuditTrail,
    recorded: Recorded,
) -> None:
    """Context and scope lead to the one draft, whatever stands between."""
    app = Starlette(routes=[Route("/things", endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(layer(app), trail)).post("/things", headers={"x-forwarded-for": "203.0.113.9"})
    (record,) = recorded()
    assert (record.outcome, record.status) == (Outcome.SUCCESS, 200)
    assert record.actor == Actor("42", source="set_actor")
    assert record.targets == [Target("7")]


def test_a_layer_that_copies_the_scope_hides_the_route(trail: AuditTrail, recorded: Recorded) -> None:
    """Frameworks write the route into the scope that they got; where that is a copy, the action is the method alone."""
    app = Starlette(routes=[Route("/things/{number}", native, methods=["POST"])])
    TestClient(AuditMiddleware(base_http(app), trail)).post("/things/7")
    TestClient(AuditMiddleware(shallow(app), trail)).post("/things/7")
    assert [record.action for record in recorded()] == ["POST /things/{number}", "POST"]


@every_layer
def test_an_exception_behind_a_layer_is_recorded(
    layer: Callable[[ASGIApp], ASGIApp], trail: AuditTrail, recorded: Recorded
) -> None:
    """It passes through the layers and through us, as the object that it is."""
    error = LookupError()

    def endpoint(request: Request) -> Response:
        set_actor("42")
        raise error

    app = Starlette(routes=[Route("/things", endpoint, methods=["POST"])])
    with pytest.raises(LookupError) as caught:
        TestClient(AuditMiddleware(layer(app), trail)).post("/things")
    assert caught.value is error
    (record,) = recorded()
    assert (record.outcome, record.status, record.actor) == (Outcome.ERROR, 500, Actor("42", source="set_actor"))


def test_nested_middlewares_record_once(trail: AuditTrail, recorded: Recorded) -> None:
    """The outer one does; the inner one finds its mark in the scope, copied or not."""
    app = Starlette(
        routes=[Route("/things", native, methods=["POST"])], middleware=[Middleware(AuditMiddleware, trail=trail)]
    )
    TestClient(AuditMiddleware(deep(AuditMiddleware(app, trail)), trail)).post("/things")
    (record,) = recorded()
    assert record.actor == Actor("42", source="set_actor")
