"""The requests that every benchmark serves, and the bare applications that answer them."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = [
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"content-length", b"2"),
    (b"x-request-id", b"7d1f6c0a-5e7b-4c0f-9d0a-3f1b5a0c2e4d"),
]
_MANY_HEADERS: Final = [*_HEADERS, *((b"x-header-%d" % at, b"value %d" % at) for at in range(50 - len(_HEADERS)))]
BODY: Final = {"type": "http.response.body", "body": b"{}"}
_ORDERS: Final = [{"id": number, "name": f"order {number}", "open": True, "cents": 1999} for number in range(17_000)]
_PART: Final = 65_536  # bytes


def scope(method: str) -> Scope:
    """A request, as uvicorn puts it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/orders/7",
        "raw_path": b"/orders/7",
        "query_string": b"",
        "root_path": "",
        "headers": [*_HEADERS],
        "client": ("192.0.2.7", 50123),
        "server": ("192.0.2.1", 80),
        "state": {},
    }


def post() -> Scope:
    """A request that is recorded."""
    return scope("POST")


def get() -> Scope:
    """One that is not."""
    return scope("GET")


def many_headers() -> Scope:
    """One with fifty headers."""
    return {**scope("POST"), "headers": [*_MANY_HEADERS]}


async def receive() -> Message:
    """The whole request."""
    return {"type": "http.request", "body": b"{}"}


async def send(message: Message) -> None:
    """Nowhere."""


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the request, does nothing and says so. Some wrappers add to its headers."""
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send(BODY)


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """One that makes a megabyte of JSON, and sends it in parts."""
    await receive()
    content = json.dumps(_ORDERS).encode()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    for at in range(0, len(content), _PART):
        await send({"type": "http.response.body", "body": content[at : at + _PART], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def nowhere(_: object) -> None:
    """A sink that does nothing, so that no sink's work is measured."""


async def hung(_: object) -> None:
    """A sink that never answers."""
    await asyncio.Event().wait()


class NoOp:
    """The least that a middleware can be: it wraps `send` with an async closure."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def passed(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, passed)


async def serve(app: ASGIApp, request: Callable[[], Scope], requests: int) -> None:
    """So many requests, one after the other, by the cheapest of clients."""
    for _ in range(requests):
        await app(request(), receive, send)


async def visit(app: Any, request: Callable[[], Scope], requests: int) -> None:
    """So many requests, one after the other, by a client that stays until it has the whole answer."""
    for _ in range(requests):
        await _visit(app, request())


async def _visit(app: Any, request: Scope) -> None:
    answered = asyncio.Event()
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await answered.wait()
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(request, receive, send)
    assert answered.is_set()
