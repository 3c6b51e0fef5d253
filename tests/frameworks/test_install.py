"""`install` in Starlette and FastAPI: the middleware around everything, the same application, and all its routes."""

import contextlib
from collections.abc import AsyncIterator
from typing import NoReturn

import anyio
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket as StarletteWebSocket

from asgi_audit import AuditTrail, annotate, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.contrib import fastapi as for_fastapi
from asgi_audit.contrib import starlette as for_starlette
from asgi_audit.errors import ConfigurationError
from asgi_audit.testing import MemorySink
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded


async def answer(request: Request) -> Response:
    """Say yes."""
    return JSONResponse({})


async def fail(request: Request) -> NoReturn:
    """Break."""
    raise ValueError("no")


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that no framework knows."""


class Raw:
    """The same, as an object."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do nothing."""


class Layer(BaseHTTPMiddleware):
    """A layer that says no to everybody."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Say no."""
        return JSONResponse({}, 403)


def test_starlette_stays_itself(trail: AuditTrail, recorded: Recorded) -> None:
    """`install` returns the same application, around which the middleware stands."""
    app = Starlette(routes=[Route("/things/{thing}", answer, methods=["POST"])])
    assert for_starlette.install(app, trail) is app
    assert TestClient(app).post("/things/7").status_code == 200
    (record,) = recorded()
    assert (record.action, record.status) == ("POST /things/{thing}", 200)


def test_layers_that_are_added_later_are_inside(trail: AuditTrail, recorded: Recorded) -> None:
    """What they answer themselves is on record."""
    app = for_starlette.install(Starlette(routes=[Route("/things", answer, methods=["POST"])]), trail)
    app.add_middleware(Layer)
    assert TestClient(app).post("/things").status_code == 403
    (record,) = recorded()
    assert (record.status, record.outcome) == (403, "denied")


def test_the_500_is_on_record_with_its_exception(trail: AuditTrail, recorded: Recorded) -> None:
    """Starlette answers outside of all added layers, and raises; `install` is outside of that."""
    app = for_starlette.install(Starlette(routes=[Route("/things", fail, methods=["POST"])]), trail)
    assert TestClient(app, raise_server_exceptions=False).post("/things").status_code == 500
    (record,) = recorded()
    assert (record.status, record.outcome, record.error and record.error.type) == (500, "error", "ValueError")


def test_an_application_that_serves_already_is_refused(trail: AuditTrail) -> None:
    """Its layers stand; as `add_middleware`, `install` comes before the first request."""
    app = Starlette()
    TestClient(app).get("/")
    with pytest.raises(ConfigurationError, match="before the application serves its first request"):
        for_starlette.install(app, trail)


def test_twice_is_once(trail: AuditTrail, recorded: Recorded) -> None:
    """Where two middlewares wrap an application, the outer one records."""
    app = Starlette(routes=[Route("/things", answer, methods=["POST"])])
    for_starlette.install(for_starlette.install(app, trail), trail)
    TestClient(app).post("/things")
    assert len(recorded()) == 1


def test_the_lifespan_passes(sink: MemorySink) -> None:
    """The application's own startup and shutdown run, and then all that was recorded is delivered."""
    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        steps.append("up")
        yield
        steps.append("down")

    trail = AuditTrail(sink)
    app = for_starlette.install(Starlette(lifespan=lifespan, routes=[Route("/", answer, methods=["POST"])]), trail)
    with TestClient(app) as client:
        client.post("/")
    assert steps == ["up", "down"]
    assert len(sink.records) == 1
    trail.close()


def test_fastapi_stays_itself(trail: AuditTrail, recorded: Recorded) -> None:
    """It is a Starlette application, with routers of its own."""
    app, router = FastAPI(), APIRouter(prefix="/things")

    @router.post("/{thing}")
    def thing(thing: int) -> None:
        set_actor("42")

    app.include_router(router, prefix="/v1")
    assert for_fastapi.install(app, trail) is app
    assert TestClient(app).post("/v1/things/7").status_code == 200
    (record,) = recorded()
    assert (record.action, record.actor and record.actor.id) == ("POST /v1/things/{thing}", "42")


def test_names_of_a_thousand_people_in_starlette() -> None:
    """No request is recorded in another one's name."""

    async def person(request: Request) -> Response:
        set_actor(request.path_params["person"])
        await anyio.sleep(0)
        annotate(reason=request.path_params["person"])
        return Response()

    def make(trail: AuditTrail) -> ASGIApp:
        return for_starlette.install(Starlette(routes=[Route("/people/{person}", person, methods=["POST"])]), trail)

    crowd.check(make)


def test_names_of_a_thousand_people_in_fastapi() -> None:
    """No request is recorded in another one's name, though endpoints run in threads."""

    def make(trail: AuditTrail) -> ASGIApp:
        app = FastAPI()

        @app.post("/people/{person}")
        def person(person: str) -> None:
            set_actor(person)
            annotate(reason=person)

        return for_fastapi.install(app, trail)

    crowd.check(make)


class Resource(HTTPEndpoint):
    """An endpoint with two methods."""

    async def get(self, request: Request) -> Response:
        """Answer."""
        return JSONResponse({})

    async def put(self, request: Request) -> Response:
        """Answer."""
        return JSONResponse({})


class Readable(HTTPEndpoint):
    """An endpoint that can only be read."""

    async def get(self, request: Request) -> Response:
        """Answer."""
        return JSONResponse({})


async def talk(socket: StarletteWebSocket) -> None:
    """Say nothing."""


def test_the_routes_of_starlette() -> None:
    """All of them, wherever they are, with the whole template."""
    inner = Starlette(routes=[Route("/leaf/{leaf:int}", answer, methods=["POST"])])
    app = Starlette(
        routes=[
            Route("/things", answer),
            Route("/resources", Resource),
            Route("/readable", Readable),
            Route("/raw", Raw()),
            WebSocketRoute("/talk", talk),
            Mount("/inner/{tenant}", app=inner),
            Mount("/mounted", app=raw),
            Host("api.example", app=Router([Route("/hosted", answer, methods=["PUT"])])),
        ]
    )
    mutating = ("DELETE", "PATCH", "POST", "PUT")
    assert [(route.methods, route.template) for route in for_starlette.routes(app)] == [
        (("GET", "HEAD"), "/things"),
        (("PUT",), "/resources"),
        (("GET",), "/readable"),
        (mutating, "/raw"),
        (("WEBSOCKET",), "/talk"),
        (("POST",), "/inner/{tenant}/leaf/{leaf}"),
        (mutating, "/mounted/{path}"),
        (("PUT",), "/hosted"),
    ]
    assert [route.endpoint for route in for_starlette.routes(app)][:2] == [answer, Resource]


def test_the_routes_of_fastapi() -> None:
    """Those of included routers among them, which the application does not list itself."""
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/things")

    @router.post("/{thing}")
    def thing(thing: int) -> None:
        """Answer."""

    @router.websocket("/{thing}/talk")
    async def talk(thing: int, websocket: WebSocket) -> None:
        """Answer."""

    app.include_router(router, prefix="/v1")
    app.mount("/tenants/{tenant}", for_starlette_app())
    found = {(route.methods, route.template): route.endpoint for route in for_fastapi.routes(app)}
    assert found == {
        (("POST",), "/v1/things/{thing}"): thing,
        (("WEBSOCKET",), "/v1/things/{thing}/talk"): talk,
        (("PUT",), "/tenants/{tenant}/leaf"): answer,
    }


def for_starlette_app() -> Starlette:
    """An application to be mounted."""
    return Starlette(routes=[Route("/leaf", answer, methods=["PUT"])])
