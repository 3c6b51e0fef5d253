"""Litestar: what it answers itself, 404 and 405 included; whom it has authenticated; what it swallows."""

from typing import Annotated, Any, cast

import anyio
import pytest
from litestar import Litestar, MediaType, Request, WebSocket, asgi, delete, get, post, put, websocket
from litestar.background_tasks import BackgroundTask
from litestar.connection import ASGIConnection
from litestar.exceptions import (
    PermissionDeniedException,
    ServiceUnavailableException,
    WebSocketDisconnect,
    WebSocketException,
)
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult, DefineMiddleware
from litestar.params import Body, FromPath
from litestar.response import Response, Stream
from litestar.testing import TestClient
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from asgi_audit import Actor, AuditMiddleware, AuditTrail, annotate, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.contrib.litestar import install, routes
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded


@post("/tenants/{tenant:str}/things/{number:int}", sync_to_thread=True)
def change(tenant: FromPath[str], number: FromPath[int]) -> None:
    """Say who acts, from a thread."""
    set_actor("42")


@post("/break/{how:str}")
async def fail(how: FromPath[str]) -> None:
    """Break."""
    raise {"value": ValueError("no"), "denied": PermissionDeniedException("no"), "busy": ServiceUnavailableException()}[
        how
    ]


def app_of(*handlers: ControllerRouterHandler, **more: Any) -> Litestar:
    """An application that keeps its logs to itself."""
    return Litestar([*handlers], logging_config=None, **more)


def test_litestar_stays_itself(trail: AuditTrail, recorded: Recorded) -> None:
    """`install` returns the same application; its command line and test client want one of their own."""
    app = app_of(change)
    assert install(app, trail) is app
    with TestClient(app) as client:
        assert client.post("/tenants/acme/things/7").status_code == 201
    (record,) = recorded()
    assert (record.action, record.status) == ("POST /tenants/{tenant}/things/{number}", 201)
    assert record.request is not None
    assert record.request.params == {"tenant": "acme", "number": "7"}
    assert record.actor == Actor("42", source="set_actor")


@pytest.mark.parametrize("wrapped", [False, True], ids=["installed", "wrapped"])
def test_what_is_not_found_is_recorded(wrapped: bool, trail: AuditTrail, recorded: Recorded) -> None:
    """Litestar's own list of middlewares is passed by then; ours is not."""
    app = app_of(change)
    served = cast("Litestar", AuditMiddleware(app, trail)) if wrapped else install(app, trail)
    client = TestClient(served)
    assert client.post("/nowhere").status_code == 404
    assert client.put("/tenants/acme/things/7").status_code == 405
    assert [(record.action, record.status, record.outcome) for record in recorded()] == [
        ("POST", 404, "failed"),
        ("PUT", 405, "failed"),
    ]


@pytest.mark.parametrize(
    ("how", "status", "outcome", "error"),
    [("value", 500, "error", "ValueError"), ("denied", 403, "denied", None), ("busy", 503, "failed", None)],
)
def test_an_exception_is_on_record(
    how: str, status: int, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """Litestar answers each itself; only one that is no answer of the application has ended the request."""
    client = TestClient(install(app_of(fail), trail), raise_server_exceptions=False)
    assert client.post(f"/break/{how}").status_code == status
    (record,) = recorded()
    assert (record.status, record.outcome) == (status, outcome)
    assert (record.error and record.error.type) == error


def test_an_exception_in_the_middle_of_a_stream_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """There it comes out of the application."""

    @post("/stream")
    async def stream() -> Stream:
        async def content() -> Any:
            yield b"half"
            raise ValueError("no")

        return Stream(content())

    with pytest.raises(Exception, match="Exception caught after response started"):
        TestClient(install(app_of(stream), trail)).post("/stream")
    (record,) = recorded()
    assert (record.status, record.outcome) == (201, "error")


class Badge(AbstractAuthenticationMiddleware):
    """Believes what the badge says."""

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        """Whose badge it is."""
        return AuthenticationResult(user={"id": connection.headers["badge"], "name": "Ada"}, auth=None)


def test_the_authenticated_user_is_the_actor(trail: AuditTrail, recorded: Recorded) -> None:
    """Without a line of configuration."""

    @post("/things")
    async def things() -> None:
        """Do it."""

    app = install(app_of(things, middleware=[DefineMiddleware(Badge)]), trail)
    TestClient(app).post("/things", headers={"badge": "42"})
    (record,) = recorded()
    assert record.actor == Actor("42", name="Ada", source="framework")


def test_a_background_task_comes_later(trail: AuditTrail, recorded: Recorded) -> None:
    """What it says is a record of its own, linked to the request's."""

    @post("/things", media_type=MediaType.TEXT)
    async def things() -> Response[str]:
        return Response("done", background=BackgroundTask(annotate, action="members.tell"))

    TestClient(install(app_of(things), trail)).post("/things")
    first, second = recorded()
    assert (first.action, second.action, second.parent) == ("POST /things", "members.tell", first.id)


@websocket("/talk/{room:str}")
async def talk(socket: WebSocket[Any, Any, Any], room: FromPath[str]) -> None:
    """Talk, or break."""
    await socket.accept()
    text = await socket.receive_text()
    if text == "value":
        raise ValueError("no")
    if text == "denied":
        raise WebSocketException(detail="no", code=4403)
    await socket.close()


@pytest.mark.parametrize(
    ("said", "code", "outcome", "error"),
    [("hello", 1000, "success", None), ("value", 4500, "error", "ValueError"), ("denied", 4403, "failed", None)],
)
def test_a_websocket_is_on_record(
    said: str, code: int, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """With its route, its code, and the exception that Litestar closes it for."""
    with TestClient(install(app_of(talk), trail)).websocket_connect("/talk/kitchen") as socket:
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive()
    assert closed.value.code == code
    (record,) = recorded()
    assert (record.action, record.outcome) == ("WEBSOCKET /talk/{room}", outcome)
    assert record.websocket is not None
    assert record.websocket.code == code
    assert (record.error and record.error.type) == error


def test_the_trail_is_empty_when_the_application_has_shut_down(trail: AuditTrail) -> None:
    """The adapter sees no lifespan: it asks Litestar to call when it starts and when it ends."""
    with TestClient(install(app_of(change), trail)) as client:
        client.post("/tenants/acme/things/7")
    (sink,) = trail.stats().sinks
    assert (sink.delivered, sink.pending) == (trail.stats().accepted, 0)


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    @post("/people/{person:str}", status_code=200)
    async def people(person: FromPath[str]) -> None:
        set_actor(person)
        await anyio.sleep(0)
        annotate(reason=person)

    def make(trail: AuditTrail) -> ASGIApp:
        return install(app_of(people), trail)  # type: ignore[return-value]  # Litestar's types of scopes are narrower

    crowd.check(make)


def test_the_routes_of_litestar() -> None:
    """All of them, and what is mounted."""

    @get("/things")
    async def read() -> None:
        """Read."""

    @put("/things", name="write")
    async def write(data: Annotated[dict[str, str], Body()]) -> None:
        """Write."""

    @delete("/things/{number:int}")
    async def remove(number: FromPath[int], request: Request[Any, Any, Any]) -> None:
        """Remove."""

    @asgi("/mounted", is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""

    app = app_of(read, write, remove, talk, mounted, openapi_config=None)
    found = {(route.template, route.methods) for route in routes(app)}
    assert found == {
        ("/things", ("GET",)),
        ("/things", ("OPTIONS",)),
        ("/things", ("PUT",)),
        ("/things/{number}", ("DELETE",)),
        ("/things/{number}", ("OPTIONS",)),
        ("/talk/{room}", ("WEBSOCKET",)),
        ("/mounted", ("DELETE", "PATCH", "POST", "PUT")),
    }
