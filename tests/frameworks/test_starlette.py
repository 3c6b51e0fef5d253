"""Starlette: the verbs reach the record from wherever its applications run."""

import asyncio
import contextvars
import threading
from typing import Any

import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from asgi_audit import (
    Actor,
    AuditMiddleware,
    AuditTrail,
    Kind,
    Outcome,
    Target,
    annotate,
    current_actor,
    set_actor,
)
from asgi_audit.testing import MemorySink
from tests.frameworks.conftest import Recorded

ADA = Actor("42", name="Ada", source="set_actor")


def say() -> None:
    """All that an application says in these tests, in one place."""
    set_actor("42", name="Ada")
    annotate(target=Target("7", type="user"), data={"ticket": "OPS-1"})
    assert current_actor() == ADA


async def in_endpoint(request: Request) -> Response:
    """On the event loop."""
    say()
    return Response()


def in_sync_endpoint(request: Request) -> Response:
    """In a thread of Starlette's."""
    assert threading.current_thread() is not threading.main_thread()
    say()
    return Response()


class InClass(HTTPEndpoint):
    async def post(self, request: Request) -> Response:
        say()
        return Response()


async def in_child_task(request: Request) -> Response:
    """In a task of its own."""

    async def child() -> None:
        say()

    await asyncio.create_task(child())
    assert current_actor() == ADA  # what the child has said is known here, too
    return Response()


async def in_worker_thread(request: Request) -> Response:
    """In a thread of anyio's."""
    await anyio.to_thread.run_sync(say)
    assert current_actor() == ADA
    return Response()


async def in_bare_thread(request: Request) -> Response:
    """A thread that somebody starts gets no context by itself."""
    thread = threading.Thread(target=contextvars.copy_context().run, args=(say,))
    thread.start()
    await anyio.to_thread.run_sync(thread.join)
    return Response()


async def through_the_scope(request: Request) -> Response:
    """Where the context does not reach, the scope does."""
    draft = request.scope["asgi_audit"]

    def work() -> None:
        draft.set_actor("42", name="Ada")
        draft.annotate(target=Target("7", type="user"), data={"ticket": "OPS-1"})

    await anyio.to_thread.run_sync(contextvars.Context().run, work)
    return Response()


@pytest.mark.parametrize(
    "endpoint",
    [in_endpoint, in_sync_endpoint, InClass, in_child_task, in_worker_thread, in_bare_thread, through_the_scope],
    ids=lambda endpoint: endpoint.__name__,
)
def test_the_verbs_reach_the_record(endpoint: Any, trail: AuditTrail, recorded: Recorded) -> None:
    """One request, one record, with what was said in the endpoint and wherever it has its work done."""
    app = Starlette(routes=[Route("/users/{user_id:int}", endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(app, trail)).post("/users/7")
    (record,) = recorded()
    assert (record.kind, record.outcome, record.status) == (Kind.HTTP, Outcome.SUCCESS, 200)
    assert record.actor == ADA
    assert record.targets == [Target("7", type="user")]
    assert record.data == {"ticket": "OPS-1"}


def test_route_and_parameters_are_recorded(trail: AuditTrail, recorded: Recorded) -> None:
    """The template names the action, so that actions can be counted; the values stand beside it."""
    app = Starlette(routes=[Route("/users/{user_id:int}", in_endpoint, methods=["DELETE"])])
    TestClient(AuditMiddleware(app, trail)).delete("/users/7")
    (record,) = recorded()
    assert record.action == "DELETE /users/{user_id}"
    assert record.request is not None
    assert (record.request.path, record.request.route) == ("/users/7", "/users/{user_id}")
    assert record.request.params == {"user_id": "7"}


def test_a_mounted_route_is_known_whole(trail: AuditTrail, recorded: Recorded) -> None:
    """Starlette shows only the leaf's template; what the mounts above it have taken is put before it."""
    mounted = Mount("/tenants/{tenant}", routes=[Route("/users/{user_id}", in_endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(Starlette(routes=[mounted]), trail)).post("/tenants/acme/users/7")
    (record,) = recorded()
    assert record.action == "POST /tenants/{tenant}/users/{user_id}"
    assert record.request is not None
    assert record.request.path == "/tenants/acme/users/7"
    assert record.request.params == {"tenant": "acme", "user_id": "7"}


def test_an_unknown_path_is_not_part_of_the_action(trail: AuditTrail, recorded: Recorded) -> None:
    """Without a route the action is the method alone: a raw path may name a person."""
    TestClient(AuditMiddleware(Starlette(), trail)).post("/ada@example.org")
    (record,) = recorded()
    assert (record.action, record.status, record.outcome) == ("POST", 404, Outcome.FAILED)


def test_added_as_a_layer_it_records_the_same(trail: AuditTrail, recorded: Recorded) -> None:
    """`add_middleware(AuditMiddleware, trail=trail)` works as wrapping does."""
    app = Starlette(routes=[Route("/users/{user_id:int}", in_sync_endpoint, methods=["POST"])])
    app.add_middleware(AuditMiddleware, trail=trail)
    TestClient(app).post("/users/7")
    (record,) = recorded()
    assert (record.action, record.actor) == ("POST /users/{user_id}", ADA)


def test_an_actor_named_in_the_background_is_not_inherited(trail: AuditTrail, recorded: Recorded) -> None:
    """What is done after the response in somebody's name is recorded as said there."""

    def work() -> None:
        set_actor("mailer", type="job")
        trail.event("mail.send")

    async def endpoint(request: Request) -> Response:
        set_actor("42")
        return Response(background=BackgroundTask(work))

    app = Starlette(routes=[Route("/invite", endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(app, trail)).post("/invite")
    assert [record.actor for record in recorded()] == [
        Actor("42", source="set_actor"),
        Actor("mailer", type="job", source="set_actor"),
    ]


class Passport(AuthenticationBackend):
    """Believes what the client says, for this test."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        name = conn.headers.get("x-name")
        return (AuthCredentials(["authenticated"]), SimpleUser(name)) if name else None


def test_whom_starlette_has_authenticated_acts(trail: AuditTrail, recorded: Recorded) -> None:
    """`scope["user"]` needs no word of the application; an anonymous user is nobody; `set_actor` knows better."""
    seen: list[Actor | None] = []

    def endpoint(request: Request) -> Response:
        seen.append(current_actor())
        if "as" in request.query_params:
            set_actor(request.query_params["as"])
        return Response()

    app = Starlette(
        routes=[Route("/", endpoint, methods=["POST"])],
        middleware=[Middleware(AuthenticationMiddleware, backend=Passport())],
    )
    client = TestClient(AuditMiddleware(app, trail))
    client.post("/", headers={"x-name": "ada"})
    client.post("/")
    client.post("/?as=bob", headers={"x-name": "ada"})
    ada = Actor("ada", name="ada", source="framework")
    assert [record.actor for record in recorded()] == [ada, None, Actor("bob", source="set_actor")]
    assert seen == [ada, None, ada]


def test_identify_says_who_acts_where_nobody_else_does(sink: MemorySink) -> None:
    """The application's function of the scope comes after `set_actor`, before `scope["user"]`; its errors pass."""
    seen: list[Actor | None] = []

    def identify(scope: Any) -> str | None:
        query: bytes = scope["query_string"]
        if query == b"raise":
            raise LookupError
        return query.decode() or None

    def endpoint(request: Request) -> Response:
        seen.append(current_actor())
        return Response()

    app = Starlette(
        routes=[Route("/", endpoint, methods=["POST"])],
        middleware=[Middleware(AuthenticationMiddleware, backend=Passport())],
    )
    with AuditTrail(sink, identify=identify) as trail:
        client = TestClient(AuditMiddleware(app, trail), headers={"x-name": "ada"})
        for query in ("bob", "", "raise"):
            client.post(f"/?{query}")
        trail.flush()
    ada = Actor("ada", name="ada", source="framework")
    assert [record.actor for record in sink.records] == [Actor("bob", source="identify"), ada, ada]
    assert seen == [Actor("bob", source="identify"), ada, ada]
    assert trail.stats().failures["identify() raised"] == 2


def test_a_websocket_is_one_record(trail: AuditTrail, recorded: Recorded) -> None:
    """Made at its end, with whom and what the application has said during the conversation."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        say()
        await websocket.send_text(await websocket.receive_text())
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/rooms/{room}", endpoint)])
    with TestClient(AuditMiddleware(app, trail)).websocket_connect("/rooms/7") as websocket:
        websocket.send_text("hello")
        assert websocket.receive_text() == "hello"
    (record,) = recorded()
    assert (record.kind, record.action, record.outcome) == (
        Kind.WEBSOCKET,
        "WEBSOCKET /rooms/{room}",
        Outcome.SUCCESS,
    )
    assert record.actor == ADA
