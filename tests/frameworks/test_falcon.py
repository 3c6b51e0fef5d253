"""Falcon: it leaves nothing in the scope, and runs sync code in threads without the request's context.

With the adapter, its own middleware tells the rest.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import falcon
import falcon.asgi
import falcon.testing
import pytest
from falcon.asgi import App, Request, Response, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Target, annotate, current_actor, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.context import outside
from asgi_audit.contrib.falcon import install, routes
from tests.frameworks import crowd
from tests.frameworks.conftest import Recorded


def served(on_post: Callable[..., Any], trail: AuditTrail) -> TestClient:
    """An application with one resource under the middleware."""
    resource = type("Resource", (), {"on_post": on_post})()
    app = falcon.asgi.App()
    app.add_route("/things/{number}", resource)
    return TestClient(AuditMiddleware(app, trail))


def test_an_async_responder_is_heard(trail: AuditTrail, recorded: Recorded) -> None:
    """It runs in the request's own task. Falcon shows no route, so the action is the method alone."""

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        set_actor("42")
        annotate(target=Target(number, type="thing"))
        assert current_actor() == Actor("42", source="set_actor")

    served(on_post, trail).post("/things/7")
    (record,) = recorded()
    assert (record.action, record.status) == ("POST", 200)
    assert (record.actor, record.targets) == (Actor("42", source="set_actor"), [Target("7", type="thing")])


def test_sync_code_is_heard_through_the_scope(trail: AuditTrail, recorded: Recorded) -> None:
    """`falcon.sync_to_async` copies no context into its thread; the draft in the scope is the same object."""

    def work(req: falcon.asgi.Request, number: str) -> None:
        req.scope["asgi_audit"].set_actor("42", type="user")
        req.scope["asgi_audit"].annotate(action="thing.rename", target=Target(number, type="thing"))

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        await falcon.sync_to_async(work, req, number)

    served(on_post, trail).post("/things/7")
    (record,) = recorded()
    assert record.action == "thing.rename"
    assert record.actor == Actor("42", type="user", source="set_actor")
    assert record.targets == [Target("7", type="thing")]


def test_verbs_in_sync_code_raise_nothing_and_are_counted(trail: AuditTrail, recorded: Recorded) -> None:
    """They can't know their request; the application goes on, and `stats()` counts the calls."""

    def work() -> None:
        set_actor("42")
        annotate(reason="typo")
        assert current_actor() is None

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        await falcon.sync_to_async(work)

    before = sum(outside.counts().values())
    assert served(on_post, trail).post("/things/7").status_code == 200
    (record,) = recorded()
    assert (record.actor, record.reason) == (None, None)
    assert sum(outside.counts().values()) == before + 2
    assert any("called outside a request" in failure for failure in trail.stats().failures)


def test_a_responder_that_refuses_is_denied(trail: AuditTrail, recorded: Recorded) -> None:
    """Falcon answers it itself, with the status that the exception says."""

    async def on_post(self: object, req: falcon.asgi.Request, resp: falcon.asgi.Response, number: str) -> None:
        set_actor("42")
        raise falcon.HTTPForbidden

    assert served(on_post, trail).post("/things/7").status_code == 403
    (record,) = recorded()
    assert (record.status, record.outcome, record.actor) == (403, "denied", Actor("42", source="set_actor"))


# --- with the adapter


def new(responder: Callable[..., Any], path: str = "/thing", name: str = "on_post") -> App[Any, Any]:
    """An application with one resource."""
    app: App[Any, Any] = App()
    app.add_route(path, type("Resource", (), {name: responder})())
    return app


async def nothing(self: object, req: Request, resp: Response) -> None:
    """Do nothing."""


async def value(self: object, req: Request, resp: Response) -> None:
    """Break."""
    raise ValueError("no")


def test_the_route_and_its_parameters_are_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """With the converted values."""

    async def change(self: object, req: Request, resp: Response, number: int, when: Any) -> None:
        set_actor("42")

    client = TestClient(install(new(change, '/things/{number:int}/{when:dt("%Y-%m-%d")}', "on_put"), trail))
    assert client.put("/things/7/2026-11-26").status_code == 200
    (record,) = recorded()
    assert record.action == "PUT /things/{number}/{when}"
    assert record.request is not None
    assert record.request.params == {"number": "7", "when": "2026-11-26T00:00:00"}
    assert record.actor == Actor("42", source="set_actor")


def test_what_is_not_found_is_recorded(trail: AuditTrail, recorded: Recorded) -> None:
    """It has no route; one that has, for other methods, has its own."""
    client = TestClient(install(new(nothing), trail))
    assert client.post("/nowhere").status_code == 404
    assert client.put("/thing").status_code == 405
    assert [(record.action, record.status) for record in recorded()] == [("POST", 404), ("PUT /thing", 405)]


def test_an_exception_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """Falcon answers it with a 500, or the application's own handler of all exceptions does with what it likes."""

    async def teapot(req: Request, resp: Response, error: Exception, params: dict[str, Any]) -> None:
        resp.status = 418

    answered = new(value)
    answered.add_error_handler(Exception, teapot)
    for app in (new(value), answered):
        TestClient(install(app, trail)).post("/thing")
    assert [(record.status, record.outcome, record.error and record.error.type) for record in recorded()] == [
        (500, "error", "ValueError"),
        (418, "failed", None),
    ]


def test_the_user_is_where_applications_put_it(trail: AuditTrail, recorded: Recorded) -> None:
    """In `req.context.user`; a request without one is nobody's."""

    async def sign(self: object, req: Request, resp: Response) -> None:
        if req.get_header("badge"):
            req.context.user = {"id": req.get_header("badge"), "name": "Ada"}

    client = TestClient(install(new(sign), trail))
    client.post("/thing", headers={"badge": "42"})
    client.post("/thing")
    assert [record.actor for record in recorded()] == [Actor("42", name="Ada", source="framework"), None]


def test_a_stream_is_recorded_at_its_end(trail: AuditTrail, recorded: Recorded) -> None:
    """With all of its bytes; one that breaks is an error."""

    async def stream(self: object, req: Request, resp: Response) -> None:
        async def content() -> Any:
            yield b"half"
            if req.query_string:
                raise ValueError("no")
            yield b"full"

        resp.stream = content()

    client = TestClient(install(new(stream), trail))
    assert client.post("/thing").text == "halffull"
    with pytest.raises(ValueError, match="no"):
        client.post("/thing?break")
    first, second = recorded()
    assert first.response is not None
    assert (first.response.size, first.outcome) == (8, "success")
    assert (second.outcome, second.error and second.error.type) == ("error", "ValueError")


@pytest.mark.parametrize(("said", "outcome", "error"), [("hello", "success", None), ("value", "error", "ValueError")])
def test_a_websocket_is_on_record(
    said: str, outcome: str, error: str | None, trail: AuditTrail, recorded: Recorded
) -> None:
    """With its route, and the exception that Falcon closes it for."""

    async def talk(self: object, req: Request, ws: WebSocket, room: str) -> None:
        await ws.accept()
        if await ws.receive_text() == "value":
            raise ValueError(room)
        await ws.close()

    app = install(new(talk, "/talk/{room}", "on_websocket"), trail)
    with TestClient(app).websocket_connect("/talk/kitchen") as socket:
        socket.send_text(said)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
    (record,) = recorded()
    assert (record.action, record.outcome) == ("WEBSOCKET /talk/{room}", outcome)
    assert (record.error and record.error.type) == error


def test_what_cannot_be_read_is_counted(trail: AuditTrail, recorded: Recorded) -> None:
    """And the request is answered and recorded, with what is known."""

    async def spoil(self: object, req: Request, resp: Response) -> None:
        req.uri_template = 7  # type: ignore[assignment]
        req.scope = None  # type: ignore[assignment]
        raise ValueError("no")

    assert TestClient(install(new(spoil), trail)).post("/thing").status_code == 500
    (record,) = recorded()
    assert (record.action, record.error) == ("POST", None)
    assert trail.stats().failures == {
        "a framework's routing could not be read": 2,  # a 500 is first recorded provisionally: an exception may follow
        "an adapter's hook failed": 1,
    }


def test_names_of_a_thousand_people() -> None:
    """No request is recorded in another one's name."""

    async def people(self: object, req: Request, resp: Response, person: str) -> None:
        set_actor(person)
        await asyncio.sleep(0)
        annotate(reason=person)

    def make(trail: AuditTrail) -> ASGIApp:
        return install(new(people, "/people/{person}"), trail)

    crowd.check(make)


def test_the_routes_of_falcon() -> None:
    """What the resources have methods for."""
    app = new(nothing, "/things/{number:int}", "on_put")
    app.add_route("/talk/{room}", type("Resource", (), {"on_websocket": nothing})())
    assert sorted((route.template, route.methods) for route in routes(app)) == [
        ("/talk/{room}", ("WEBSOCKET",)),
        ("/things/{number}", ("PUT",)),
    ]
