"""A server and its client in memory: what an ASGI application is told, message by message, and what it says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import trio

from asgi_audit._types import ASGIApp, Message, Scope

BACKENDS = ["asyncio", "trio"]


class Conversation:
    """One connection, seen from the server.

    `incoming` is what `receive` returns, in this order; after that it waits for ever, as for a client that stays.
    `refuses` maps the number of a message that the application sends (from 0) to what `send` raises instead of taking
    it.
    `passing` is called with each message that was taken, at the moment when a client could see it.
    """

    def __init__(
        self,
        *incoming: Message,
        refuses: dict[int, BaseException] | None = None,
        passing: Callable[[Message], None] | None = None,
    ) -> None:
        self._incoming = list(incoming)
        self._refuses = refuses or {}
        self._passing = passing
        self.sent: list[Message] = []
        self.reads = 0
        self.raised: BaseException | None = None

    async def receive(self) -> Message:
        """Say the next thing."""
        self.reads += 1
        if not self._incoming:
            await anyio.sleep_forever()
        return self._incoming.pop(0)

    async def send(self, message: Message) -> None:
        """Hear the next thing."""
        if (refusal := self._refuses.get(len(self.sent))) is not None:
            raise refusal
        self.sent.append(message)
        if self._passing is not None:
            self._passing(message)
        await anyio.lowlevel.checkpoint()

    async def hold(self, app: ASGIApp, scope: Scope) -> None:
        """Serve the connection; keep what comes out of the application. A cancellation goes on, as it must."""
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            self.raised = error
            if isinstance(error, (asyncio.CancelledError, trio.Cancelled)):
                raise


def converse(backend: str, app: ASGIApp, scope: Scope, conversation: Conversation) -> Conversation:
    """Serve one connection to its end in a new event loop."""
    anyio.run(conversation.hold, app, scope, backend=backend)
    return conversation


def converse_until_cancelled(
    backend: str, app: ASGIApp, scope: Scope, conversation: Conversation, waiting: "Waiting"
) -> Conversation:
    """Serve one connection, and cancel the application as soon as it waits for `waiting`."""

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(conversation.hold, app, scope)
            await waiting.reached.wait()
            group.cancel_scope.cancel()

    async def prepare() -> None:
        waiting.reached = anyio.Event()
        await serve()

    anyio.run(prepare, backend=backend)
    return conversation


class Waiting:
    """A place in an application where it waits for ever, and tells the server that it has come there."""

    reached: anyio.Event

    async def here(self) -> None:
        """Wait for ever."""
        self.reached.set()
        await anyio.sleep_forever()


def http_scope(method: str = "POST", path: str = "/things/7", **more: Any) -> Scope:
    """The scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org")],
        "client": ("192.0.2.7", 4711),
        "server": ("192.0.2.1", 80),
        "extensions": {},
        **more,
    }


def websocket_scope(path: str = "/live", **more: Any) -> Scope:
    """The scope of a websocket connection."""
    scope = http_scope(path=path, **{"type": "websocket", "scheme": "ws", "subprotocols": [], **more})
    del scope["method"]
    return scope


def request(*chunks: bytes) -> list[Message]:
    """A request body in pieces, the last one of which says so."""
    pieces: Iterable[tuple[int, bytes]] = enumerate(chunks or (b"",), 1)
    return [{"type": "http.request", "body": chunk, "more_body": number < len(chunks)} for number, chunk in pieces]


def start(status: int = 200, headers: Iterable[tuple[bytes, bytes]] = (), **more: Any) -> Message:
    """The beginning of a response."""
    return {"type": "http.response.start", "status": status, "headers": list(headers), **more}


def body(chunk: bytes = b"", *, more: bool = False) -> Message:
    """A piece of a response's body."""
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def says(*messages: Message) -> ASGIApp:
    """An application that reads the request's first message, then sends these."""

    async def app(scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Any]) -> None:
        await receive()
        for message in messages:
            await send(message)

    return app
