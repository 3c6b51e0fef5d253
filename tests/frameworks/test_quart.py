"""Quart: what its signals tell, whom Quart-Auth has found, and what it answers itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from quart import Blueprint, Quart, Response, abort, g, websocket
from quart_auth import AuthUser, QuartAuth, current_user, login_user, logout_user
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from asgi_audit import Actor, AuditTrail, annotate, current_actor, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.contrib.quart import install, routes
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded


def app_of(trail: AuditTrail, *, auth: bool = False, **rules: Callable[..., Awaitable[Any]]) -> TestClient:
    """An application with a POST route for each endpoint, at the path of its name."""
    app = Quart("test")
    app.secret_key = "secret"
    if auth:
        QuartAuth(app, cookie_secure=False)
    for name, endpoint in rules.items():
        app.add_url_rule(f"/{name}", name, endpoint, methods=["POST"])
    install(app, trail)
    return TestClient(app)  # type: ignore[arg-type]  # Quart's own types of messages are narrower


async def nothing() -> str:
    """Do nothing."""
    return ""


def test_quart_stays_itself(trail: AuditTrail) -> None:
    """`install` returns the same application: its command line and its extensions want one of their own."""
    app = Quart("test")
    assert install(app, trail) is app


def test_the_route_and_its_parameters_are_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """With the prefix of its blueprint, and the converted values; a synchronous endpoint runs in a thread."""
    blueprint = Blueprint("api", "test", url_prefix="/api")

    @blueprint.put("/things/<int:number>/<path:rest>")
    def change(number: int, rest: str) -> str:
        set_actor("42")
        return ""

    app = Quart("test")
    app.register_blueprint(blueprint)
    client = TestClient(install(app, trail))  # type: ignore[arg-type]
    assert client.put("/api/things/7/a/b").status_code == 200
    (record,) = recorded()
    assert record.action == "PUT /api/things/{number}/{rest}"
    assert record.request is not None
    assert record.request.params == {"number": "7", "rest": "a/b"}
    assert record.actor == Actor("42", source="set_actor")


def test_what_is_not_found_is_recorded(trail: AuditTrail, recorded: Recorded) -> None:
    """It has no route; one that has, for other methods, has none either."""
    client = app_of(trail, thing=nothing)
    assert client.post("/nowhere").status_code == 404
    assert client.put("/thing").status_code == 405
    assert [(record.action, record.status) for record in recorded()] == [("POST", 404), ("PUT", 405)]


def test_an_exception_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """Quart answers each itself; only one that is no answer of the application has ended the request."""

    async def value() -> str:
        raise ValueError("no")

    async def denied() -> str:
        abort(403)

    client = app_of(trail, value=value, denied=denied)
    assert client.post("/value").status_code == 500
    assert client.post("/denied").status_code == 403
    found = [(record.action, record.outcome, record.error and record.error.type) for record in recorded()]
    assert found == [("POST /value", "error", "ValueError"), ("POST /denied", "denied", None)]


def test_an_exception_that_the_application_answers_is_its_answer(trail: AuditTrail, recorded: Recorded) -> None:
    """It has a handler for such."""

    async def value() -> str:
        raise ValueError("no")

    app = Quart("test")
    app.add_url_rule("/value", "value", value, methods=["POST"])

    @app.errorhandler(ValueError)
    async def answer(_: ValueError) -> tuple[str, int]:
        return "", 409

    TestClient(install(app, trail)).post("/value")  # type: ignore[arg-type]
    (record,) = recorded()
    assert (record.status, record.outcome, record.error) == (409, "failed", None)


def test_whom_quart_auth_has_found_is_the_actor(trail: AuditTrail, recorded: Recorded) -> None:
    """Also in the request that signs in, and not in the one that signs out."""
    seen: list[Actor | None] = []

    async def sign_in() -> str:
        login_user(AuthUser("42"))
        return ""

    async def act() -> str:
        seen.append(current_actor())  # nobody has asked Quart-Auth yet
        assert await current_user.is_authenticated
        seen.append(current_actor())
        return ""

    async def sign_out() -> str:
        logout_user()
        return ""

    client = app_of(trail, auth=True, sign_in=sign_in, act=act, sign_out=sign_out, nothing=nothing)
    for path in ("nothing", "sign_in", "act", "nothing", "sign_out"):
        client.post(f"/{path}")
    ada = Actor("42", source="framework")
    assert [record.actor for record in recorded()] == [None, ada, ada, ada, None]
    assert seen == [None, ada]


def test_a_background_task_comes_later(trail: AuditTrail, recorded: Recorded) -> None:
    """What it says is a record of its own, linked to the request's."""
    app = Quart("test")
    later = asyncio.Event()

    async def tell() -> None:
        await later.wait()
        annotate(action="members.tell")

    @app.post("/thing")
    async def thing() -> str:
        app.add_background_task(tell)
        return ""

    @app.post("/later")
    async def release() -> str:
        later.set()
        return ""

    with TestClient(install(app, trail)) as client:  # type: ignore[arg-type]
        client.post("/thing")
        client.post("/later")
    found = recorded()
    (event,) = [record for record in found if record.action == "members.tell"]
    (request,) = [record for record in found if record.action == "POST /thing"]
    assert event.parent == request.id


def test_a_stream_is_recorded_at_its_end(trail: AuditTrail, recorded: Recorded) -> None:
    """With all of its bytes; one that breaks is an error."""

    async def stream() -> Response:
        async def content() -> Any:
            yield b"half"
            yield b"full"

        return Response(content())

    async def broken() -> Response:
        async def content() -> Any:
            yield b"half"
            raise ValueError("no")

        return Response(content())

    client = app_of(trail, stream=stream, broken=broken)
    assert client.post("/stream").text == "halffull"
    with pytest.raises(ValueError, match="no"):
        client.post("/broken")
    first, second = recorded()
    assert first.response is not None
    assert (first.response.size, first.outcome) == (8, "success")
    assert (second.outcome, second.error and second.error.type) == ("error", "ValueError")


@pytest.mark.parametrize(("said", "outcome", "error"), [("hello", "success", None), ("value", "error", "ValueError")])
def test_a_websocket_is_on_record(
    said: str, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """With its route, its user, and the exception that Quart closes it for."""
    app = Quart("test")
    app.secret_key = "secret"
    QuartAuth(app, cookie_secure=False)

    @app.websocket("/talk/<room>")
    async def talk(room: str) -> None:
        await websocket.accept()
        if await websocket.receive() == "value":
            raise ValueError("no")
        await websocket.close(1000)

    app = install(app, trail)
    with TestClient(app).websocket_connect("/talk/kitchen") as socket:  # type: ignore[arg-type]
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    (record,) = recorded()
    assert (record.action, record.outcome) == ("WEBSOCKET /talk/{room}", outcome)
    assert (record.error and record.error.type) == error


def test_what_cannot_be_read_is_counted(trail: AuditTrail, recorded: Recorded) -> None:
    """And the request is answered and recorded, with what is known."""

    async def thing() -> str:
        g._quart_auth_user = object()
        return ""

    client = app_of(trail, thing=thing)
    client.app.extensions["QUART_AUTH"] = [type("Auth", (), {"attribute_name": "_quart_auth_user"})]  # type: ignore[attr-defined]
    assert client.post("/thing").status_code == 200
    client.app.extensions["QUART_AUTH"] = [object()]  # type: ignore[attr-defined]
    assert client.post("/thing").status_code == 200
    assert [record.action for record in recorded()] == ["POST /thing", "POST"]
    assert trail.stats().failures == {
        "a framework's user could not be read": 1,
        "an adapter's hook failed": 1,
    }


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    def make(trail: AuditTrail) -> ASGIApp:
        app = Quart("test")

        @app.post("/people/<person>")
        async def people(person: str) -> str:
            set_actor(person)
            await asyncio.sleep(0)
            annotate(reason=person)
            return ""

        return install(app, trail)  # type: ignore[return-value]

    crowd.check(make)


def test_the_routes_of_quart() -> None:
    """All of them, with their endpoints."""
    app = Quart("test", static_folder=None)
    app.add_url_rule("/things/<int:number>", "things", nothing, methods=["PUT"])
    app.add_websocket("/talk/<room>", "talk", nothing)
    assert [(route.methods, route.template, route.endpoint is not None) for route in routes(app)] == [
        (("OPTIONS", "PUT"), "/things/{number}", True),
        (("WEBSOCKET",), "/talk/{room}", True),
    ]
