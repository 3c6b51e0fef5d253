"""What a design on paper misses: conversations over real sockets where the obvious place for the record is wrong."""

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from asgi_audit import Actor, AuditMiddleware, AuditTrail, Policy, acting_as, set_actor
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import body, start
from tests.servers.clients import http_client
from tests.servers.pause import Pause, ended
from tests.servers.servers import HYPERCORN, SECONDS, SERVERS, UVICORN, Theatre, theatre


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    """Every server in turn."""
    with theatre(request.param) as running:
        yield running


@pytest.fixture
def sink() -> MemorySink:
    """Where the records go."""
    return MemorySink()


@pytest.fixture
def trail(sink: MemorySink) -> Iterator[AuditTrail]:
    """A trail that records everything."""
    with AuditTrail(sink, policy=Policy(Policy.everything)) as opened:
        yield opened


def test_a_204_is_over_before_its_body_message(server: Theatre, trail: AuditTrail, sink: MemorySink) -> None:
    """A client has the whole of a 204 as soon as it has the head; by then the record is in the journal."""
    pause = Pause()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(204))
        await pause.here()
        await send(body())

    server.stage.put_on(AuditMiddleware(app, trail))
    with http_client(server) as client:
        assert client.delete("/things/7").status_code == 204
        trail.flush()
        assert [(r.request and r.request.method, r.outcome, r.status) for r in sink.records] == [
            ("DELETE", "success", 204)
        ]
        assert not server.stage.ended.is_set()
        pause.end()
        assert len(ended(server, trail, sink)) == 1


def test_a_content_length_is_reached_before_the_last_message(
    server: Theatre, trail: AuditTrail, sink: MemorySink
) -> None:
    """A client that has read as many bytes as were announced has the response, whatever `more_body` says."""
    pause = Pause()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(200, [(b"Content-Length", b"10")]))
        await send(body(b"01234", more=True))
        await send(body(b"56789", more=True))
        await pause.here()
        await send(body())

    server.stage.put_on(AuditMiddleware(app, trail))
    with http_client(server) as client:
        assert client.post("/things").content == b"0123456789"
        trail.flush()
        assert [(r.outcome, r.status, r.response and r.response.size) for r in sink.records] == [("success", 200, 10)]
        assert not server.stage.ended.is_set()
        pause.end()
        assert len(ended(server, trail, sink)) == 1


@pytest.mark.parametrize("server", UVICORN + HYPERCORN[:1], indirect=True)
def test_base_http_middleware_sends_its_end_late(server: Theatre, trail: AuditTrail, sink: MemorySink) -> None:
    """`BaseHTTPMiddleware` passes a whole body on with `more_body=True`; a background task runs before the end."""
    pause = Pause()

    async def endpoint(request: Request) -> Response:
        return JSONResponse({"id": 7}, background=BackgroundTask(pause.here))

    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    inner = Starlette(
        routes=[Route("/things", endpoint, methods=["POST"])],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)],
    )
    server.stage.put_on(AuditMiddleware(inner, trail))
    with http_client(server) as client:
        assert client.post("/things").json() == {"id": 7}
        trail.flush()
        assert [(r.action, r.outcome, r.status) for r in sink.records] == [("POST /things", "success", 200)]
        pause.end()
        assert len(ended(server, trail, sink)) == 1


def test_a_500_comes_before_its_exception(server: Theatre, trail: AuditTrail, sink: MemorySink) -> None:
    """Starlette sends the 500 and re-raises: there is one record, it says what was sent, and which exception it was."""

    def endpoint(request: Request) -> Response:
        raise LookupError("secret detail")

    server.stage.put_on(AuditMiddleware(Starlette(routes=[Route("/things", endpoint, methods=["POST"])]), trail))
    with http_client(server) as client:
        assert client.post("/things").status_code == 500
    (record,) = ended(server, trail, sink)
    assert (record.outcome, record.status, record.error and record.error.type) == ("error", 500, "LookupError")


def test_a_500_is_held_until_the_application_has_returned(server: Theatre, trail: AuditTrail, sink: MemorySink) -> None:
    """A 500 whose application still runs is accounted for, and becomes the one record when that has returned."""
    pause = Pause()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(503, [(b"content-length", b"0")]))
        await pause.here()

    server.stage.put_on(AuditMiddleware(app, trail))
    with http_client(server) as client:
        assert client.post("/things").status_code == 503
        assert trail.stats().accepted == 2  # the trail's own opening, and this
        pause.end()
        assert [(r.outcome, r.status) for r in ended(server, trail, sink)] == [("failed", 503)]


def test_hanging_up_raises_nothing(server: Theatre, trail: AuditTrail, sink: MemorySink) -> None:
    """A client leaves in the middle of a `StreamingResponse`, which just returns: the record knows."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        await anyio.sleep_forever()

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(chunks())

    server.stage.put_on(AuditMiddleware(Starlette(routes=[Route("/things", endpoint, methods=["POST"])]), trail))
    with http_client(server) as client, client.stream("POST", "/things") as response:
        assert next(response.iter_raw()) == b"one"
        client.close()
        assert [(r.outcome, r.status) for r in ended(server, trail, sink)] == [("disconnected", 200)]


@pytest.mark.parametrize("server", UVICORN + HYPERCORN[:1], indirect=True)
def test_a_task_left_behind_does_not_act_for_its_first_user(
    server: Theatre, trail: AuditTrail, sink: MemorySink
) -> None:
    """A consumer started in Ada's request works for everybody: what it emits says that Ada is only inherited."""
    jobs: asyncio.Queue[str] = asyncio.Queue()
    consumers: list[asyncio.Task[None]] = []
    done: queue.Queue[str] = queue.Queue()

    async def consume() -> None:
        while (job := await jobs.get()) != "stop":
            if job == "said":
                trail.event("mail.sent", actor=Actor("mailer", type="job"))
            elif job == "acting":
                with acting_as("nightly", type="job"):
                    trail.event("mail.sent")
            elif job == "plain":
                trail.event("mail.sent")
            done.put(job)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        set_actor(scope["query_string"].decode())
        if not consumers:
            consumers.append(asyncio.create_task(consume()))
        await jobs.put(scope["path"][1:])
        if scope["path"] == "/stop":
            await consumers[0]
        await send(start(204))
        await send(body())

    with http_client(server) as client:
        for path, job in {
            "/first?ada": "first",
            "/plain?bob": "plain",
            "/said?bob": "said",
            "/acting?bob": "acting",
        }.items():
            server.stage.put_on(AuditMiddleware(app, trail))
            client.post(path)
            assert done.get(timeout=SECONDS) == job
            ended(server, trail, sink)
        client.post("/stop?bob")
    first, *_ = (record for record in ended(server, trail, sink) if record.kind == "http")
    records = sink.records
    assert first.actor == Actor("ada", source="set_actor")
    events = [record for record in records if record.kind == "event"]
    assert [(event.action, event.parent) for event in events] == [("mail.sent", first.id)] * 3
    assert [event.actor for event in events] == [
        Actor("ada", source="inherited"),
        Actor("mailer", type="job", source="event"),
        Actor("nightly", type="job", source="acting_as"),
    ]
