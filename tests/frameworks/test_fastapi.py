"""FastAPI: the verbs reach the record from dependencies, threads and background tasks; actions are whole templates."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Kind, Outcome, acting_as, annotate, current_actor, set_actor
from tests.frameworks.conftest import Recorded


def user(x_name: Annotated[str, Header()]) -> str:
    """A sync dependency, which FastAPI runs in a thread."""
    if x_name == "mallory":
        raise HTTPException(403)
    set_actor(x_name, type="user")
    return x_name


async def database() -> AsyncIterator[None]:
    """A dependency with `yield`: what it says before is in the record, what after comes later."""
    annotate(data={"database": "open"})
    yield
    annotate(data={"database": "closed"})


def connection() -> Iterator[None]:
    """The same in a thread."""
    annotate(tenant="acme")
    yield
    annotate(action="connection.close")


def test_an_auth_dependency_says_who_acts(trail: AuditTrail, recorded: Recorded) -> None:
    """Sync or not, before the endpoint or not: the actor is on record, also where the endpoint is never reached."""
    app = FastAPI(dependencies=[Depends(user)])
    seen: list[Actor | None] = []

    @app.post("/plain")
    def plain() -> None:
        seen.append(current_actor())

    @app.post("/native")
    async def native() -> None:
        seen.append(current_actor())

    client = TestClient(AuditMiddleware(app, trail))
    assert client.post("/plain", headers={"x-name": "ada"}).status_code == 200
    assert client.post("/native", headers={"x-name": "bob"}).status_code == 200
    assert client.post("/plain", headers={"x-name": "mallory"}).status_code == 403
    assert client.post("/plain").status_code == 422
    ada, bob = (Actor(name, type="user", source="set_actor") for name in ("ada", "bob"))
    assert [record.actor for record in recorded()] == [ada, bob, None, None]
    assert [record.outcome for record in recorded()] == [
        Outcome.SUCCESS,
        Outcome.SUCCESS,
        Outcome.DENIED,
        Outcome.FAILED,
    ]
    assert seen == [ada, bob]


def test_a_dependency_with_yield_is_heard_before_and_after(trail: AuditTrail, recorded: Recorded) -> None:
    """FastAPI tears dependencies down after the response: what they say then is a linked record, never lost."""
    app = FastAPI()

    @app.post("/orders", dependencies=[Depends(database), Depends(connection)])
    def order() -> None:
        set_actor("42")

    TestClient(AuditMiddleware(app, trail)).post("/orders")
    record, connection_closed, database_closed = recorded()
    assert (record.kind, record.data, record.tenant) == (Kind.HTTP, {"database": "open"}, "acme")
    assert (database_closed.action, database_closed.data) == ("POST /orders", {"database": "closed"})
    assert connection_closed.action == "connection.close"
    assert {database_closed.parent, connection_closed.parent} == {record.id}


def test_an_exception_in_an_endpoint_is_on_record(trail: AuditTrail, recorded: Recorded) -> None:
    """The 500 is sent first and the exception raised after: one record has both."""
    app = FastAPI()

    @app.post("/orders")
    def order() -> None:
        set_actor("42")
        raise LookupError

    with pytest.raises(LookupError):
        TestClient(AuditMiddleware(app, trail)).post("/orders")
    (record,) = recorded()
    assert (record.status, record.outcome, record.actor) == (500, Outcome.ERROR, Actor("42", source="set_actor"))
    assert record.error is not None
    assert record.error.type == "LookupError"


def test_background_tasks_make_linked_records(trail: AuditTrail, recorded: Recorded) -> None:
    """Sync tasks run in threads, others on the loop; both are heard, and know whose request it was."""
    app = FastAPI()
    seen: list[Actor | None] = []

    def in_thread() -> None:
        seen.append(current_actor())
        trail.event("mail.send")

    async def on_loop() -> None:
        seen.append(current_actor())
        trail.event("cache.clear")

    @app.post("/invite")
    def invite(tasks: BackgroundTasks) -> None:
        set_actor("42")
        tasks.add_task(in_thread)
        tasks.add_task(on_loop)

    TestClient(AuditMiddleware(app, trail)).post("/invite")
    record, *events = recorded()
    assert [event.action for event in events] == ["mail.send", "cache.clear"]
    assert {event.parent for event in events} == {record.id}
    assert {event.actor for event in events} == {Actor("42", source="inherited")}
    assert seen == [Actor("42", source="set_actor")] * 2


def test_the_action_has_the_prefixes_of_its_routers(trail: AuditTrail, recorded: Recorded) -> None:
    """However deep a router was included, the action is the template as the client knows it."""
    users = APIRouter(prefix="/users")

    @users.post("/{user_id}")
    def rename(user_id: int) -> None:
        pass

    api = APIRouter()
    api.include_router(users, prefix="/v1")
    app = FastAPI()
    app.include_router(api, prefix="/api")

    @app.post("/users/{user_id:path}")
    def other(user_id: str) -> None:
        pass

    client = TestClient(AuditMiddleware(app, trail))
    client.post("/api/v1/users/7")
    client.post("/users/7/8")
    client.delete("/api/v1/users/7")  # a path that exists, a method that it does not
    actions = [record.action for record in recorded()]
    assert actions[:2] == ["POST /api/v1/users/{user_id}", "POST /users/{user_id}"]
    assert recorded()[2].status == 405
    assert [record.request.params for record in recorded()[:2] if record.request] == [
        {"user_id": "7"},
        {"user_id": "7/8"},
    ]


def test_a_mounted_application_is_known_whole(trail: AuditTrail, recorded: Recorded) -> None:
    """An application within an application has its own routes; where it is mounted is put before them."""
    inner, outer = FastAPI(), FastAPI()

    @inner.post("/users/{user_id}")
    def rename(user_id: int) -> None:
        set_actor("42")

    outer.mount("/inner", inner)
    TestClient(AuditMiddleware(outer, trail)).post("/inner/users/7")
    (record,) = recorded()
    assert (record.action, record.actor) == ("POST /inner/users/{user_id}", Actor("42", source="set_actor"))
    assert record.request is not None
    assert record.request.path == "/inner/users/7"


def test_acting_as_in_a_synchronous_dependency_breaks_nothing(trail: AuditTrail, recorded: Recorded) -> None:
    """The generator is begun in one thread and ended in another; nothing is raised."""

    def job() -> Iterator[None]:
        with acting_as("job"):
            yield

    app = FastAPI()

    @app.post("/run", dependencies=[Depends(job)])
    def run() -> dict[str, bool]:
        return {"ok": True}

    response = TestClient(AuditMiddleware(app, trail)).post("/run")
    assert response.status_code == 200
    (record,) = recorded()
    assert record.outcome == "success"
