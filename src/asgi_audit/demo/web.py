"""The little that the demo's application needs of a web framework: routes, JSON in, JSON out."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

from asgi_audit._types import Receive, Scope, Send


class Call(NamedTuple):
    """A request on its way through a handler; `params` are the parts of the path that the route names."""

    scope: Scope
    receive: Receive
    send: Send
    params: dict[str, str]

    async def json(self) -> dict[str, Any]:
        """The body of the request."""
        body = b""
        while True:
            message = await self.receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                return dict(json.loads(body))

    async def answer(self, status: int, content: object = None) -> None:
        """Send a whole response; without content its body is empty."""
        body = b"" if content is None else json.dumps(content).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


Handler: TypeAlias = Callable[[Call], Awaitable[None]]


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Ends a request with a status other than success, from anywhere in a handler."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Router:
    """Finds the handler for a method and a path; a websocket's method is `WEBSOCKET`."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], str, Handler]] = []

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Let a handler serve a path such as `/users/{user}`."""
        pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template))
        self._routes.append((method, pattern, template, handler))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. As frameworks do, a crash is answered with 500 first and raised afterwards."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        method = scope.get("method", "WEBSOCKET")
        for route_method, pattern, template, handler in self._routes:
            if route_method == method and (match := pattern.fullmatch(scope["path"])):
                scope["path_template"] = template
                await _serve(handler, Call(scope, receive, send, match.groupdict()))
                return
        await Call(scope, receive, send, {}).answer(404, {"error": "there is nothing here"})


async def _serve(handler: Handler, call: Call) -> None:
    try:
        await handler(call)
    except Refused as refused:
        await call.answer(refused.status, {"error": str(refused)})
    except Exception:
        await call.answer(500, {"error": "something broke"})
        raise


async def _live(receive: Receive, send: Send) -> None:
    """There is nothing to start or to stop."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
