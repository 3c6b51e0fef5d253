"""The application under test, as uvicorn's workers import it; what it is to know stands in the environment.

The first thing that every handler does is to append its request's marker to a file: what has run is known outside.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable

from asgi_audit import AuditMiddleware, AuditTrail, Target
from asgi_audit._types import Message, Receive, Scope, Send
from tests.crash.endpoints import APPROVED, ENDPOINTS
from tests.crash.orders import Orders

_orders = Orders.read(os.environ)
_ran = os.open(_orders.ran, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_trail = AuditTrail(_orders.sink, journal=_orders.make_journal())
_pid = str(os.getpid()).encode()


def _start(status: int, length: int | None) -> Message:
    headers = [(b"x-worker", _pid)]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


async def _respond(send: Send, status: int, content: bytes) -> None:
    await send(_start(status, len(content)))
    await send(_body(content))


async def _broken(send: Send, marker: str) -> None:
    await _respond(send, 500, marker.encode())
    await asyncio.sleep(0.005)
    raise RuntimeError("broken, as expected")


async def _unwell(send: Send, marker: str) -> None:
    await _respond(send, 503, marker.encode())
    await asyncio.sleep(0.05)


async def _deleted(send: Send, _: str) -> None:
    await send(_start(204, None))
    await asyncio.sleep(0.002)  # the client has the whole response already
    await send(_body(b""))


async def _slow(send: Send, marker: str) -> None:
    await asyncio.sleep(random.uniform(0.02, 0.2))
    await _respond(send, 200, marker.encode())


async def _stream(send: Send, marker: str) -> None:
    await send(_start(200, None))
    for letter in marker.encode():
        await send(_body(bytes([letter]), more=True))
        await asyncio.sleep(0.001)
    await send(_body(b""))


async def _approved(send: Send, marker: str) -> None:
    event = _trail.event("item.approve", target=Target(marker, type="item"))
    await _respond(send, 200, event.encode())


_HANDLERS: dict[str, Callable[[Send, str], Awaitable[None]]] = {
    "broken": _broken,
    "unwell": _unwell,
    "deleted": _deleted,
    "slow": _slow,
    "stream": _stream,
    APPROVED.name: _approved,
}


async def _application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    _, name, marker = scope["path"].split("/")
    os.write(_ran, marker.encode() + b"\n")
    if name in _HANDLERS:
        await _HANDLERS[name](send, marker)
    else:
        await _respond(send, ENDPOINTS[name].status, marker.encode())


app = AuditMiddleware(_application, _trail)
