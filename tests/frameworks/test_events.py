"""Events: what is recorded beside a request, after it, instead of it, and without any."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

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
from tests.frameworks.conftest import Recorded

ADA = Actor("42", name="Ada", source="set_actor")


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
