"""Sanic: what its signals tell, and what it answers itself. Its own server is refused."""

import asyncio
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sanic import Blueprint, HTTPResponse, Request, Sanic, empty, text
from sanic.exceptions import Forbidden
from starlette.testclient import TestClient

from asgi_audit import Actor, AuditMiddleware, AuditTrail, ConfigurationError, annotate, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.contrib.sanic import _refuse, install, routes
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded

_numbers = itertools.count()


def new() -> Sanic[Any, Any]:
    """An application. Sanic wants each to have its own name, and rewrites its own methods for the first alone."""
    app: Sanic[Any, Any] = Sanic(f"test{next(_numbers)}", configure_logging=False)
    app.config.TOUCHUP = False
    return app


async def nothing(_: Request) -> HTTPResponse:
    """Do nothing."""
    return empty()


async def value(_: Request) -> HTTPResponse:
    """Break."""
    raise ValueError("no")


def test_the_route_and_its_parameters_are_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """With the prefix of its blueprint, and the converted values."""
    blueprint = Blueprint("api", url_prefix="/api")

    @blueprint.put(r"/things/<number:int>/<code:(?P<code>[a-z]{3})>")
    def change(_: Request, number: int, code: str) -> HTTPResponse:
        set_actor("42")
        return empty()

    app = new()
    app.blueprint(blueprint)
    with TestClient(install(app, trail)) as client:
        assert client.put("/api/things/7/abc").status_code == 204
    (record,) = recorded()
    assert record.action == "PUT /api/things/{number}/{code}"
    assert record.request is not None
    assert record.request.params == {"number": "7", "code": "abc"}
    assert record.actor == Actor("42", source="set_actor")


def test_what_is_not_found_is_recorded(trail: AuditTrail, recorded: Recorded) -> None:
    """It has no route; one that has, for other methods, has none either."""
    app = new()
    app.add_route(nothing, "/thing", methods=["POST"])
    with TestClient(install(app, trail)) as client:
        assert client.post("/nowhere").status_code == 404
        assert client.put("/thing").status_code == 405
    assert [(record.action, record.status) for record in recorded()] == [("POST", 404), ("PUT", 405)]


def test_an_exception_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """Sanic answers each itself; only one that is no answer of the application has ended the request."""

    async def denied(_: Request) -> HTTPResponse:
        raise Forbidden("no")

    async def odd(_: Request) -> HTTPResponse:
        raise LookupError("no")

    app = new()
    app.add_route(value, "/value", methods=["POST"])
    app.add_route(denied, "/denied", methods=["POST"])
    app.add_route(odd, "/odd", methods=["POST"])
    app.error_handler.add(LookupError, lambda _request, _error: text("", 409))
    with TestClient(install(app, trail)) as client:
        assert [client.post(f"/{path}").status_code for path in ("value", "denied", "odd")] == [500, 403, 409]
    assert [(record.action, record.outcome, record.error and record.error.type) for record in recorded()] == [
        ("POST /value", "error", "ValueError"),
        ("POST /denied", "denied", None),
        ("POST /odd", "failed", None),
    ]


def test_the_user_is_where_applications_put_it(trail: AuditTrail, recorded: Recorded) -> None:
    """In `request.ctx.user`; a request without one is nobody's."""
    app = new()

    @app.on_request
    async def authenticate(request: Request) -> None:
        if "badge" in request.headers:
            request.ctx.user = {"id": request.headers["badge"], "name": "Ada"}

    app.add_route(nothing, "/thing", methods=["POST"])
    with TestClient(install(app, trail)) as client:
        client.post("/thing", headers={"badge": "42"})
        client.post("/thing")
    assert [record.actor for record in recorded()] == [Actor("42", name="Ada", source="framework"), None]


def test_a_stream_is_recorded_at_its_end(trail: AuditTrail, recorded: Recorded) -> None:
    """With all of its bytes."""

    async def stream(request: Request) -> None:
        response = await request.respond()
        await response.send("half")
        await response.send("full")
        await response.eof()

    app = new()
    app.add_route(stream, "/stream", methods=["POST"])
    with TestClient(install(app, trail)) as client:
        assert client.post("/stream").text == "halffull"
    (record,) = recorded()
    assert record.response is not None
    assert (record.response.size, record.outcome) == (8, "success")


@pytest.mark.parametrize(("said", "outcome", "error"), [("hello", "success", None), ("value", "error", "ValueError")])
def test_a_websocket_is_on_record(
    said: str, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """With its route, and the exception that ends it."""
    app = new()

    async def talk(_: Request, socket: Any, room: str) -> None:
        while (text := await socket.recv()) is not None:
            if text == "value":
                raise ValueError(room)

    app.add_websocket_route(talk, "/talk/<room:str>")
    with TestClient(install(app, trail)) as client, client.websocket_connect("/talk/kitchen") as socket:
        socket.send_text(said)
    (record,) = recorded()
    assert (record.action, record.outcome) == ("WEBSOCKET /talk/{room}", outcome)
    assert (record.error and record.error.type) == error


def test_what_cannot_be_read_is_counted(trail: AuditTrail, recorded: Recorded) -> None:
    """And the request is answered and recorded, with what is known."""
    app = new()

    class Odd(Request):
        """Has lost its scope."""

        @property
        def scope(self) -> Any:
            """None."""
            raise LookupError

    app.request_class = Odd
    app.add_route(nothing, "/thing", methods=["POST"])
    app.add_route(value, "/value", methods=["POST"])
    with TestClient(install(app, trail)) as client:
        assert client.post("/thing").status_code == 204
        assert client.post("/value").status_code == 500
    assert [record.action for record in recorded()] == ["POST", "POST"]
    assert trail.stats().failures == {"an adapter's hook failed": 3}


def test_sanic_s_own_server_is_refused(tmp_path: Path) -> None:
    """It would serve the application past the middleware, and nothing would tell."""
    (tmp_path / "app.py").write_text(
        "from sanic import Sanic, empty\n"
        "from asgi_audit.contrib.sanic import install\n"
        "app = Sanic('test')\n"
        "app.add_route(lambda request: empty(), '/')\n"
        "install(app, 'sqlite:///audit.db')\n"
        "if __name__ == '__main__':\n"
        "    app.run(port=0, single_process=True)\n",
        encoding="utf-8",
    )
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "its own server speaks no ASGI, so nothing would be recorded; serve it with uvicorn" in ended.stderr
    assert not (tmp_path / "audit.db").exists()


def test_sanic_s_own_server_is_refused_as_it_starts() -> None:
    """By a listener, before it listens; an ASGI server it lets pass."""
    app = new()
    app.asgi = True
    asyncio.run(_refuse(app))
    app.asgi = False

    with pytest.raises(ConfigurationError, match="speaks no ASGI"):
        asyncio.run(_refuse(app))


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    def make(trail: AuditTrail) -> ASGIApp:
        app = new()

        @app.post("/people/<person:str>")
        async def people(_: Request, person: str) -> HTTPResponse:
            set_actor(person)
            await asyncio.sleep(0)
            annotate(reason=person)
            return text("")

        served = install(app, trail)

        async def started(scope: Any, receive: Any, send: Any) -> None:
            if not app.router.finalized:
                await app._startup()  # type: ignore[no-untyped-call]
                app.asgi = True
            await served(scope, receive, send)

        return started

    crowd.check(make)


def test_past_the_middleware_hooks_do_nothing(trail: AuditTrail, recorded: Recorded) -> None:
    """Served by itself, the application is as it was."""
    app = new()
    app.add_route(nothing, "/thing", methods=["POST"])
    app.add_route(value, "/value", methods=["POST"])
    install(app, trail)
    with TestClient(app) as client:
        assert client.post("/thing").status_code == 204
        assert client.post("/value").status_code == 500
    assert recorded() == []
    assert trail.stats().failures == {}


def test_what_is_returned_is_to_be_served(trail: AuditTrail) -> None:
    """A Sanic application can't be changed from within."""
    assert isinstance(install(new(), trail), AuditMiddleware)


def test_the_routes_of_sanic() -> None:
    """All of them, with their handlers."""

    async def talk(_: Request, ws: Any, room: str) -> None:
        """Say nothing."""

    app = new()
    app.add_route(nothing, "/things/<number:int>", methods=["PUT"])
    app.add_websocket_route(talk, "/talk/<room>")
    assert {(route.methods, route.template, route.endpoint is not None) for route in routes(app)} == {
        (("PUT",), "/things/{number}", True),
        (("WEBSOCKET",), "/talk/{room}", True),
    }
