"""Requests that run at the same time have nothing to do with each other."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import anyio.to_thread
import httpx
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Kind, Record, Target, acting_as, annotate, set_actor
from asgi_audit._types import ASGIApp
from asgi_audit.testing import MemorySink
from tests.frameworks.conftest import Recorded


def application(trail: AuditTrail) -> ASGIApp:
    """Says in many places whose request it is, and lets others run between them."""

    def in_thread(name: str) -> None:
        annotate(target=Target(f"{name}-thread"))
        trail.event("in.thread", data={"of": name})

    async def in_task(name: str) -> None:
        await asyncio.sleep(0)
        annotate(target=Target(f"{name}-task"))
        with acting_as(f"{name}-block"):
            await asyncio.sleep(0)
            trail.event("in.block", data={"of": name})

    async def endpoint(request: Request) -> Response:
        name: str = request.path_params["name"]
        set_actor(name)
        for _ in range(int(name) % 7):
            await asyncio.sleep(0)
        await asyncio.gather(in_task(name), anyio.to_thread.run_sync(in_thread, name))
        return Response(name, background=BackgroundTask(trail.event, "in.background", data={"of": name}))

    async def dispatch(request: Request, call_next: object) -> Response:
        await asyncio.sleep(0)
        return await call_next(request)  # type: ignore[operator, no-any-return]

    app = Starlette(
        routes=[Route("/{name}", endpoint, methods=["POST"])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
    )
    return AuditMiddleware(app, trail)


def check(name: str, records: list[Record]) -> None:
    """All that was recorded of one request is of that request."""
    (record,) = (record for record in records if record.kind is Kind.HTTP)
    assert record.actor == Actor(name, source="set_actor")
    assert sorted(target.id for target in record.targets or ()) == [f"{name}-task", f"{name}-thread"]
    events = {event.action: event for event in records if event.kind is Kind.EVENT}
    assert {event.parent for event in events.values()} == {record.id}
    assert {action: event.actor for action, event in events.items()} == {
        "in.thread": Actor(name, source="set_actor"),
        "in.block": Actor(f"{name}-block", source="acting_as"),
        "in.background": Actor(name, source="inherited"),
    }


def by_request(records: list[Record]) -> dict[str, list[Record]]:
    """The records of each request: by its path, or by what the event says of itself."""
    found: dict[str, list[Record]] = {}
    for record in records:
        name = record.request.path.removeprefix("/") if record.request else str((record.data or {})["of"])
        found.setdefault(name, []).append(record)
    return found


@contextlib.contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Uvicorn in a thread, on a port that the system picks."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    started = threading.Event()
    startup = server.startup

    async def observed_startup(sockets: object = None) -> None:
        await startup()
        started.set()

    server.startup = observed_startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(20)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_two_hundred_requests_at_once_over_a_socket(trail: AuditTrail, recorded: Recorded) -> None:
    """Each record and event has its own request's actor, targets and parent."""
    names = [str(number) for number in range(200)]

    async def ask_all(address: str) -> None:
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60, trust_env=False) as client:
            responses = await asyncio.gather(*(client.post(f"/{name}") for name in names))
        assert [response.text for response in responses] == names

    with serving(application(trail)) as address:
        asyncio.run(ask_all(address))
    found = by_request(recorded())
    assert sorted(found) == sorted(names)
    for name, records in found.items():
        check(name, records)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=6, unique=True))
def test_any_few_requests_at_once_do_not_mix(numbers: list[int]) -> None:
    """However their steps fall between each other's."""
    sink = MemorySink()

    async def ask_all(app: ASGIApp) -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await asyncio.gather(*(client.post(f"/{number}") for number in numbers))

    with AuditTrail(sink) as trail:
        asyncio.run(ask_all(application(trail)))
        trail.flush()
    found = by_request(sink.records)
    assert sorted(found) == sorted(map(str, numbers))
    for name, records in found.items():
        check(name, records)
