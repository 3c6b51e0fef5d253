"""What the servers of test_streams.py serve: uploads, server-sent events and echoes, and around them what tests ask.

The tests' own requests (`/ready`, `/pid`, `/seen`, `/flush`) do not pass the middleware, so they leave no record.
"""

import hashlib
import json
import os
from pathlib import Path

import anyio

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule
from asgi_audit._types import Receive, Scope, Send

#: A server-sent event; the application makes the others when `/seen` has told that the first is there.
EVENT = b"event: tick\ndata: {}\n\n"
EVENTS = 100

seen = anyio.Event()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve whatever kind of stream is asked for."""
    if scope["type"] == "lifespan":
        kind = ""
        while kind != "lifespan.shutdown":
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/events":
        await events(receive, send)
    else:
        await upload(receive, send)


async def upload(receive: Receive, send: Send) -> None:
    """Answer with what has arrived."""
    size, digest, more = 0, hashlib.sha256(), True
    while more:
        message = await receive()
        size += len(message["body"])
        digest.update(message["body"])
        more = message.get("more_body", False)
    await answer(send, json.dumps({"size": size, "sha256": digest.hexdigest()}).encode())


async def events(receive: Receive, send: Send) -> None:
    """Send an event, the others once it has been seen; stop when the client has gone."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": EVENT, "more_body": True})
    async with anyio.create_task_group() as group:

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(listen)
        await seen.wait()
        for _ in range(EVENTS - 1):
            await send({"type": "http.response.body", "body": EVENT, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        group.cancel_scope.cancel()


async def echo(receive: Receive, send: Send) -> None:
    """Send back each message."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def answer(send: Send, body: bytes) -> None:
    """Send a whole response."""
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


trail = AuditTrail("sqlite:///audit.db", journal="journal", policy=Policy([Rule(Level.REQUEST)]))
recorded = AuditMiddleware(application, trail)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve tests, or what is recorded; of that, tell when the middleware has returned."""
    path = scope.get("path", "")
    if path in {"/ready", "/pid", "/seen", "/flush"}:
        if path == "/seen":
            seen.set()
        if path == "/flush":
            await trail.aflush()
        await answer(send, str(os.getpid()).encode())
        return
    try:
        await recorded(scope, receive, send)
    finally:
        with Path("life.txt").open("a", encoding="utf-8") as file:
            file.write(f"{path} ends\n")
