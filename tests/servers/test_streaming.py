"""Large bodies over real sockets: they are counted as they pass, and never gathered."""

from collections.abc import Iterator

import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import body, start
from tests.servers.clients import http_client
from tests.servers.pause import Pause, ended
from tests.servers.servers import Theatre


@pytest.mark.parametrize("level", [Level.METADATA, Level.RESPONSE])
def test_an_upload_passes_piece_by_piece(server: Theatre, level: Level) -> None:
    """An upload reaches the application as the client sends it: its first bytes before the client has made the last."""
    sink = MemorySink()
    pause = Pause()
    pieces: list[int] = []
    size, chunk = 0, bytes(2**16)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal size
        more = True
        while more:
            message = await receive()
            size += len(message["body"])
            pieces.append(len(message["body"]))
            more = message.get("more_body", False)
            pause.end()
        await send(start(201, [(b"content-length", b"0")]))
        await send(body())

    def chunks() -> Iterator[bytes]:
        yield chunk
        assert pause.ended(), "the application has nothing yet"
        for _ in range(63):
            yield chunk

    with AuditTrail(sink, policy=Policy([Rule(level)])) as trail:
        server.stage.put_on(AuditMiddleware(app, trail))
        with http_client(server) as client:
            headers = {"content-type": "application/octet-stream"}
            assert client.put("/files/7", content=chunks(), headers=headers).status_code == 201
        (record,) = ended(server, trail, sink)
    assert record.request is not None
    assert record.request.size == size == 2**22
    assert len(pieces) > 10
    assert (record.request.body and record.request.body.size) == (2**22 if level is Level.RESPONSE else None)


@pytest.mark.parametrize("level", [Level.METADATA, Level.RESPONSE])
def test_a_download_passes_piece_by_piece(server: Theatre, level: Level) -> None:
    """A download reaches the client as the application makes it, and is counted, not kept."""
    sink = MemorySink()
    pause = Pause()
    chunk = bytes(2**16)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(200, [(b"content-type", b"application/octet-stream")]))
        await send(body(chunk, more=True))
        await pause.here()
        for _ in range(63):
            await send(body(chunk, more=True))
        await send(body())

    with AuditTrail(sink, policy=Policy([Rule(level)])) as trail:
        server.stage.put_on(AuditMiddleware(app, trail))
        with http_client(server) as client, client.stream("GET", "/files/7") as response:
            stream = response.iter_raw()
            size = len(next(stream))
            pause.end()
            size += sum(map(len, stream))
        (record,) = ended(server, trail, sink)
    assert record.response is not None
    assert record.response.size == size == 2**22
    assert (record.outcome, record.request and record.request.size) == ("success", 0)
