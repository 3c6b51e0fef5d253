"""The requests that every benchmark serves, and the bare application that answers them."""

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = [
    (b"host", b"shop.example"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"content-type", b"application/json"),
    (b"content-length", b"2"),
    (b"x-request-id", b"7d1f6c0a5e7b4c0f9d0a"),
]
_START = {
    "type": "http.response.start",
    "status": 201,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
BODY = {"type": "http.response.body", "body": b"{}"}


def scope(method: str) -> Scope:
    """A request, as uvicorn puts it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/orders",
        "raw_path": b"/orders",
        "query_string": b"",
        "root_path": "",
        "headers": _HEADERS,
        "client": ("192.0.2.7", 50123),
        "server": ("192.0.2.1", 80),
        "state": {},
    }


async def receive() -> Message:
    """The whole request."""
    return {"type": "http.request", "body": b"{}"}


async def send(message: Message) -> None:
    """Nowhere."""


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the request, does nothing and says so."""
    await receive()
    await send(_START)
    await send(BODY)


class NoOp:
    """The least that a middleware can be: it wraps `send` with an async closure."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def passed(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, passed)


async def serve(app: ASGIApp, method: str, requests: int) -> None:
    """So many requests, one after the other."""
    for _ in range(requests):
        await app(scope(method), receive, send)
