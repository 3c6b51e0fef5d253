"""Event loops: any library's, several of them one after the other and at the same time, and none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import trio
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from asgi_audit import AuditMiddleware, AuditTrail, set_actor
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.testing import MemorySink


def run_trio(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in trio."""

    async def call() -> None:
        await main

    trio.run(call)


RUNNERS: dict[str, Callable[[Coroutine[Any, Any, None]], None]] = {
    "asyncio": asyncio.run,
    "uvloop": uvloop.run,
    "trio": run_trio,
}
every_runner = pytest.mark.parametrize("run", RUNNERS.values(), ids=RUNNERS)


def application() -> ASGIApp:
    """Answers every request, and knows who asks."""

    async def endpoint(request: Request) -> Response:
        set_actor(request.path_params["name"])
        return Response()

    return Starlette(routes=[Route("/{name}", endpoint, methods=["POST"])])


async def post(app: ASGIApp, name: str) -> None:
    """One request without any server, in whatever library runs."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    await app({"type": "http", "method": "POST", "path": f"/{name}", "headers": [], "query_string": b""}, receive, send)


def actors(sink: MemorySink) -> list[str]:
    """Who has done what was recorded."""
    return [record.actor.id for record in sink.records if record.actor]


@every_runner
def test_each_library_records_without_lifespan(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """The first record starts what delivers; flushing and closing block no loop."""
    sink = MemorySink()

    async def main() -> None:
        async with AuditTrail(sink) as trail:
            await post(AuditMiddleware(application(), trail), "ada")
            await trail.aflush()
            assert actors(sink) == ["ada"]

    run(main())
    assert [record.kind for record in sink.everything] == ["open", "http", "close"]


@every_runner
def test_each_library_drains_in_the_lifespan(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """Before the server hears that shutdown is complete, all is stored, though the application has no lifespan."""

    async def without(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def live(app: ASGIApp) -> None:
        sink = MemorySink()
        trail = AuditTrail(sink)
        messages = iter(["lifespan.startup", "lifespan.shutdown"])
        sent: list[tuple[str, int]] = []

        async def receive() -> Message:
            kind = next(messages)
            if kind == "lifespan.shutdown":
                trail.event("last")
            return {"type": kind}

        async def send(message: Message) -> None:
            sent.append((message["type"], len(sink.records)))

        try:
            await AuditMiddleware(app, trail)({"type": "lifespan"}, receive, send)
        except NotImplementedError:  # as without us, only later
            sent.append(("lifespan.shutdown.complete", len(sink.records)))
        assert sent == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 1)]
        trail.close()

    async def main() -> None:
        for app in (application(), without, silent):
            await live(app)

    run(main())


def test_one_trail_serves_loop_after_loop() -> None:
    """A loop that has ended takes nothing with it: what delivers has its own."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        app = AuditMiddleware(application(), trail)
        for name, run in RUNNERS.items():
            run(post(app, name))
            run(post(app, f"{name}-again"))
    assert actors(sink) == [f"{name}{again}" for name in RUNNERS for again in ("", "-again")]


def test_one_trail_serves_loops_at_the_same_time() -> None:
    """Loops of several libraries in several threads, and threads without any, share it."""
    sink = MemorySink()
    start = threading.Barrier(4)

    def serve(name: str) -> None:
        async def main() -> None:
            for _ in range(50):
                await post(app, name)

        start.wait()
        RUNNERS[name](main())

    def work() -> None:
        start.wait()
        for _ in range(50):
            trail.event("work", actor="thread")

    with AuditTrail(sink) as trail, ThreadPoolExecutor(4) as pool:
        app = AuditMiddleware(application(), trail)
        for future in [*(pool.submit(serve, name) for name in RUNNERS), pool.submit(work)]:
            future.result()
    found = actors(sink)
    assert {name: found.count(name) for name in set(found)} == dict.fromkeys([*RUNNERS, "thread"], 50)
    assert [record.seq for record in sink.everything] == list(range(202))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_test_client_needs_nothing_else(backend: Any) -> None:
    """Starlette's test client runs each request in a loop of its own, or all in one with a lifespan."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        app = AuditMiddleware(application(), trail)
        TestClient(app, backend=backend).post("/bare")
        with TestClient(app, backend=backend) as client:
            client.post("/lifespan")
        assert actors(sink) == ["bare", "lifespan"]


@every_runner
def test_httpx_asks_an_application_directly(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """As tests of asynchronous code do."""
    sink = MemorySink()

    async def main() -> None:
        async with AuditTrail(sink) as trail:
            transport = httpx.ASGITransport(app=AuditMiddleware(application(), trail))
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                await client.post("/ada")

    run(main())
    assert actors(sink) == ["ada"]
