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
from starlette.responses import JSONResponse, Response
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
    acting_as,
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


def test_a_mounted_route_is_known_by_its_own_part(trail: AuditTrail, recorded: Recorded) -> None:
    """Starlette shows only the leaf's template; the path is the whole one, as the client has sent it."""
    mounted = Mount("/tenants/{tenant}", routes=[Route("/users/{user_id}", in_endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(Starlette(routes=[mounted]), trail)).post("/tenants/acme/users/7")
    (record,) = recorded()
    assert record.action == "POST /users/{user_id}"
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


def test_a_background_task_makes_a_linked_record(trail: AuditTrail, recorded: Recorded) -> None:
    """The response is over and its record made: what comes later is an event with that record as its parent."""
    actors: list[Actor | None] = []

    def work() -> None:
        actors.append(current_actor())
        annotate(data={"mails": 3})
        trail.event("mail.send", target=Target("ada@example.org"))

    async def endpoint(request: Request) -> Response:
        set_actor("42")
        return Response(background=BackgroundTask(work))

    app = Starlette(routes=[Route("/invite", endpoint, methods=["POST"])])
    TestClient(AuditMiddleware(app, trail)).post("/invite")
    record, late, event = recorded()
    assert (record.kind, record.data, record.parent) == (Kind.HTTP, None, None)
    assert (late.kind, late.action, late.data) == (Kind.EVENT, "POST /invite", {"mails": 3})
    assert (event.kind, event.action) == (Kind.EVENT, "mail.send")
    assert late.parent == event.parent == record.id
    assert late.actor == event.actor == Actor("42", source="inherited")
    assert actors == [Actor("42", source="set_actor")]


def test_a_background_task_that_raises_makes_a_linked_record(trail: AuditTrail, recorded: Recorded) -> None:
    """The client was told that all is well; the trail knows better."""

    def work() -> None:
        raise LookupError

    async def endpoint(request: Request) -> Response:
        return Response(background=BackgroundTask(work))

    app = Starlette(routes=[Route("/invite", endpoint, methods=["POST"])])
    with pytest.raises(LookupError):
        TestClient(AuditMiddleware(app, trail)).post("/invite")
    record, event = recorded()
    assert record.outcome is Outcome.SUCCESS
    assert (event.parent, event.outcome) == (record.id, Outcome.ERROR)
    assert event.error is not None
    assert event.error.type == "LookupError"


def test_a_skipped_request_that_names_its_action_is_an_event(trail: AuditTrail, recorded: Recorded) -> None:
    """A sensitive read is one line: the record has the request's facts and the actor, though the policy skips GET."""

    def export(request: Request) -> Response:
        set_actor("42", name="Ada")
        annotate(action="report.export", target=Target("2026-11", type="report"))
        return JSONResponse({})

    app = AuditMiddleware(Starlette(routes=[Route("/reports/{month}", export)]), trail)
    client = TestClient(app, client=("203.0.113.9", 4711), headers={"user-agent": "curl/8"})
    client.get("/reports/2026-11?format=csv")
    client.get("/reports/")  # says nothing, and leaves nothing
    (record,) = recorded()
    assert (record.kind, record.action, record.parent) == (Kind.EVENT, "report.export", None)
    assert (record.actor, record.targets) == (ADA, [Target("2026-11", type="report")])
    assert record.request is not None
    assert record.source is not None
    assert (record.request.method, record.request.path, record.request.query) == (
        "GET",
        "/reports/2026-11",
        "format=csv",
    )
    assert record.request.route == "/reports/{month}"
    assert (record.source.ip, record.source.port, record.source.user_agent) == ("203.0.113.9", 4711, "curl/8")


def test_events_in_a_skipped_request_say_where_they_come_from(trail: AuditTrail, recorded: Recorded) -> None:
    """There is no record to link to, so the event itself has the request's facts."""

    async def read(request: Request) -> Response:
        set_actor("42")
        trail.event("report.read", target=Target("2026-11"))
        return Response()

    TestClient(AuditMiddleware(Starlette(routes=[Route("/reports", read)]), trail)).get("/reports")
    (event,) = recorded()
    assert (event.action, event.parent, event.actor) == ("report.read", None, Actor("42", source="set_actor"))
    assert event.request is not None
    assert (event.request.method, event.request.path) == ("GET", "/reports")


def test_events_in_a_recorded_request_are_linked_to_it(trail: AuditTrail, recorded: Recorded) -> None:
    """They are stored before the request's own record, whose id they already know."""

    def approve(request: Request) -> Response:
        set_actor("42")
        trail.event("invoice.approve", target=Target("1"))
        trail.event("invoice.approve", target=Target("2"), actor=Actor("7"))
        with acting_as("system", type="job"):
            trail.event("ledger.post")
        return Response()

    app = Starlette(routes=[Route("/approve", approve, methods=["POST"])])
    TestClient(AuditMiddleware(app, trail)).post("/approve")
    *events, record = recorded()
    assert [event.parent for event in events] == [record.id] * 3
    assert [event.actor for event in events] == [
        Actor("42", source="set_actor"),
        Actor("7", source="event"),
        Actor("system", type="job", source="acting_as"),
    ]
    assert record.actor == Actor("42", source="set_actor")


def test_events_outside_a_request_stand_alone(trail: AuditTrail, recorded: Recorded) -> None:
    """A job or script has no request; `acting_as` says who it is."""
    with acting_as("nightly-import", type="job"):
        trail.event("import.run", data={"rows": 3})
    trail.event("import.end")
    first, second = recorded()
    assert first.actor == Actor("nightly-import", type="job", source="acting_as")
    assert (first.request, first.parent, first.data) == (None, None, {"rows": 3})
    assert second.actor is None


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
    ada = Actor("ada", name="ada", source="scope")
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
    ada = Actor("ada", name="ada", source="scope")
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


def test_a_consumer_started_in_a_request_only_inherits_its_actor(trail: AuditTrail, recorded: Recorded) -> None:
    """What a task that one user's request has started does for others later is not that user's doing, and says so."""
    consumers: list[asyncio.Task[None]] = []
    jobs: asyncio.Queue[str] = asyncio.Queue()

    async def consume() -> None:
        while (name := await jobs.get()) != "end":
            trail.event("job.begin", data={"for": name})
            with acting_as(name):
                trail.event("job.end", data={"for": name})

    async def endpoint(request: Request) -> Response:
        name: str = request.path_params["name"]
        set_actor(name)
        if not consumers:
            consumers.append(asyncio.create_task(consume()))
        await jobs.put(name)
        if name == "end":
            await consumers[0]
        return Response()

    app = Starlette(routes=[Route("/{name}", endpoint, methods=["POST"])])
    with TestClient(AuditMiddleware(app, trail)) as client:
        for name in ("ada", "bob", "end"):
            client.post(f"/{name}")
    records = recorded()
    first = next(record for record in records if record.kind is Kind.HTTP)
    begin, end = (record for record in records if record.data == {"for": "bob"})
    assert begin.parent == end.parent == first.id
    assert begin.actor == Actor("ada", source="inherited")
    assert end.actor == Actor("bob", source="acting_as")
