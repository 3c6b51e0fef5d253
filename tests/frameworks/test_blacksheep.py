"""BlackSheep: what its router knows, whom it has authenticated, and what it answers itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from blacksheep import Application, Request, Response, StreamedContent, WebSocket, text
from blacksheep.exceptions import Forbidden
from blacksheep.server.routing import Router
from guardpost import AuthenticationHandler, Identity
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from asgi_audit import Actor, AuditMiddleware, AuditTrail, annotate, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.contrib.blacksheep import install, routes
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded


def new() -> Application:
    """An application with a router of its own."""
    return Application(router=Router())


async def nothing() -> None:
    """Do nothing."""


async def value() -> None:
    """Break."""
    raise ValueError("no")


@pytest.mark.parametrize(
    ("pattern", "template"),
    [
        ("/things/{number}/x", "/things/{number}/x"),
        ("/things/{int:number}/x", "/things/{number}/x"),
        ("/things/<int:number>/x", "/things/{number}/x"),
        ("/things/:number/x", "/things/{number}/x"),
        ("things/:number/x", "/things/{number}/x"),
    ],
)
def test_the_route_and_its_parameters_are_on_record(
    pattern: str, template: str, trail: AuditTrail, recorded: Recorded
) -> None:
    """However the pattern is written; a synchronous handler runs in the request's own task."""
    app = new()

    @app.router.put(pattern)
    def change(number: int) -> None:
        set_actor("42")

    with TestClient(install(app, trail)) as client:
        assert client.put("/things/7/x").status_code == 204
    (record,) = recorded()
    assert record.action == f"PUT {template}"
    assert record.request is not None
    assert record.request.params == {"number": "7"}
    assert record.actor == Actor("42", source="set_actor")


def test_what_is_not_found_is_recorded(trail: AuditTrail, recorded: Recorded) -> None:
    """It has no route, also where the application has a fallback."""
    app = new()
    app.router.post("/thing")(nothing)
    with TestClient(install(app, trail)) as client:
        assert client.post("/nowhere").status_code == 404
        assert client.put("/thing").status_code == 404
    assert [(record.action, record.status) for record in recorded()] == [("POST", 404), ("PUT", 404)]


def test_an_exception_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """BlackSheep answers each itself; only one that is no answer of the application has ended the request."""
    app = new()
    app.router.post("/value")(value)

    @app.router.post("/denied")
    async def denied() -> None:
        raise Forbidden

    @app.router.post("/odd")
    async def odd() -> None:
        raise LookupError("no")

    @app.exception_handler(LookupError)
    async def answer(_self: Any, _request: Request, _error: LookupError) -> Response:
        return text("", 409)

    with TestClient(install(app, trail)) as client:
        assert [client.post(f"/{path}").status_code for path in ("value", "denied", "odd")] == [500, 403, 409]
    assert [(record.action, record.outcome, record.error and record.error.type) for record in recorded()] == [
        ("POST /value", "error", "ValueError"),
        ("POST /denied", "denied", None),
        ("POST /odd", "failed", None),
    ]


def test_the_authenticated_user_is_the_actor(trail: AuditTrail, recorded: Recorded) -> None:
    """Whom an authentication handler has found, by the claims; or what the application has put there."""

    class Badge(AuthenticationHandler):
        """Believes what the badge says."""

        def authenticate(self, context: Request) -> Identity | None:
            """Whose badge it is."""
            badge = context.get_first_header(b"badge")
            context.user = Identity({"sub": (badge or b"").decode(), "name": "Ada"}, "badge" if badge else None)
            return context.user

    class Ada:
        """Somebody."""

        id = 7

    app = new()
    app.use_authentication().add(Badge())
    app.router.post("/thing")(nothing)

    @app.router.post("/own")
    async def own(request: Request) -> None:
        request.user = Ada()  # type: ignore[assignment]

    with TestClient(install(app, trail)) as client:
        client.post("/thing", headers={"badge": "42"})
        client.post("/thing")
        client.post("/own")
    assert [record.actor for record in recorded()] == [
        Actor("42", name="Ada", source="framework"),
        None,
        Actor("7", source="framework"),
    ]


def test_a_stream_is_recorded_at_its_end(trail: AuditTrail, recorded: Recorded) -> None:
    """With all of its bytes."""
    app = new()

    async def content() -> AsyncIterator[bytes]:
        yield b"half"
        yield b"full"

    @app.router.post("/stream")
    async def stream() -> Response:
        return Response(200, content=StreamedContent(b"text/plain", content))

    with TestClient(install(app, trail)) as client:
        assert client.post("/stream").text == "halffull"
    (record,) = recorded()
    assert record.response is not None
    assert (record.response.size, record.outcome) == (8, "success")


@pytest.mark.parametrize(("said", "outcome", "error"), [("hello", "success", None), ("value", "error", "ValueError")])
def test_a_websocket_is_on_record(
    said: str, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """With its route, and the exception that BlackSheep closes it for."""
    app = new()

    @app.router.ws("/talk/{room}")
    async def talk(websocket: WebSocket, room: str) -> None:
        await websocket.accept()
        if await websocket.receive_text() == "value":
            raise ValueError(room)
        await websocket.close()

    with TestClient(install(app, trail)) as client, client.websocket_connect("/talk/kitchen") as socket:
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    (record,) = recorded()
    assert (record.action, record.outcome) == ("WEBSOCKET /talk/{room}", outcome)
    assert record.request is not None
    assert record.request.params == {"room": "kitchen"}
    assert (record.error and record.error.type) == error


def test_what_cannot_be_read_is_counted(trail: AuditTrail, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the request is answered and recorded, with what is known."""
    app = new()

    class Odd:
        """Can't be asked."""

        def __getattr__(self, name: str) -> None:
            raise LookupError(name)

    @app.router.post("/thing")
    async def thing(request: Request) -> None:
        request.user = Odd()  # type: ignore[assignment]
        request.scope = Odd()  # type: ignore[assignment]
        raise Forbidden if request.query else LookupError("no")

    with TestClient(install(app, trail)) as client:
        assert client.post("/thing").status_code == 500
    (record,) = recorded()
    assert (record.action, record.error) == ("POST /thing", None)
    assert trail.stats().failures == {"an adapter's hook failed": 1}


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    def make(trail: AuditTrail) -> ASGIApp:
        app = new()

        @app.router.post("/people/{person}")
        async def people(person: str) -> Response:
            set_actor(person)
            await asyncio.sleep(0)
            annotate(reason=person)
            return text("")

        return install(app, trail)

    crowd.check(make)


def test_what_is_returned_is_to_be_served(trail: AuditTrail) -> None:
    """A BlackSheep application can't be changed from within."""
    assert isinstance(install(new(), trail), AuditMiddleware)


def test_the_routes_of_blacksheep() -> None:
    """All of them, with their handlers, and not the fallback."""
    app = new()
    app.router.fallback = nothing
    app.router.put("/things/{int:number}")(nothing)
    app.router.ws("/talk/:room")(nothing)
    assert [(route.methods, route.template, route.endpoint) for route in routes(app)] == [
        (("PUT",), "/things/{number}", nothing),
        (("WEBSOCKET",), "/talk/{room}", nothing),
    ]
