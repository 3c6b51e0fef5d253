"""Long streams through servers in processes of their own: what passes is counted, and never gathered."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from websockets.sync.client import connect

from asgi_audit import Record
from asgi_audit.sqlalchemy import AuditStore
from tests.servers.hosts import SECONDS, Host, hosted

LARGE: Final = 100 * 2**20  # bytes of an upload
FLAT: Final = 30 * 2**20  # bytes that a process may grow by meanwhile
MESSAGES: Final = 10_000
EVENT: Final = b"event: tick\ndata: {}\n\n"
EVENTS: Final = 100
_LINES: Final = b'{"name": "Ada", "note": "sixty-four bytes each, with the end."}\n' * 2**10
_BOUNDARY: Final = b"boundary-of-the-parts"


@pytest.fixture(params=["uvicorn", "hypercorn", "granian"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    """Every server in turn, in a process of its own."""
    with hosted(request.param, tmp_path, "streams") as running:
        yield running


def client_of(host: Host, *, http2: bool = False) -> httpx.Client:
    """A client, in HTTP/2 from the first byte on if so asked."""
    return httpx.Client(base_url=host.address, http1=not http2, http2=http2, timeout=SECONDS, trust_env=False)


def records(host: Host, *ended: str) -> list[Record]:
    """All that is on record once the middleware has returned from the requests of these paths; oldest first."""
    for path in ended:
        host.wait_for(f"{path} ends")
    with client_of(host) as client:
        assert client.get("/flush").status_code == 200

    async def read() -> list[Record]:
        async with AuditStore(f"sqlite:///{host.directory}/audit.db") as store:
            return [each async for each in store.query(oldest_first=True) if each.kind not in {"open", "close"}]

    return asyncio.run(read())


def memory(client: httpx.Client, field: str) -> int:
    """What the kernel says of the memory of the process that runs the application, in bytes."""
    status = Path("/proc", client.get("/pid").text, "status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def upload(client: httpx.Client, path: str, kind: str, size: int) -> None:
    """Upload that many bytes; all of them arrive."""
    digest = hashlib.sha256()

    def body() -> Iterator[bytes]:
        for chunk in _multipart(size) if kind.startswith("multipart") else [_LINES] * (size // len(_LINES)):
            digest.update(chunk)
            yield chunk

    arrived = client.put(path, content=body(), headers={"content-type": kind}).json()
    assert arrived == {"size": size, "sha256": digest.hexdigest()}


def _multipart(size: int) -> Iterator[bytes]:
    head = b'--%b\r\ncontent-disposition: form-data; name="film"; filename="film.bin"\r\n\r\n' % _BOUNDARY
    tail = b"\r\n--%b--\r\n" % _BOUNDARY
    rest = size - len(head) - len(tail)
    yield head
    for _ in range(rest // len(_LINES)):
        yield _LINES
    yield bytes(rest % len(_LINES))
    yield tail


@pytest.mark.parametrize("kind", ["application/x-ndjson", f"multipart/form-data; boundary={_BOUNDARY.decode()}"])
def test_an_upload_of_any_size_takes_no_memory(host: Host, kind: str) -> None:
    """100 MB arrive whole where bodies are recorded; the process stays as it was, and the record tells their size."""
    with client_of(host) as client:
        upload(client, "/files/small", kind, 2**20)  # loads what an upload needs
        before = memory(client, "VmRSS")
        upload(client, "/files/large", kind, LARGE)
        grown = memory(client, "VmHWM") - before
    assert grown < FLAT
    small, large = records(host, "/files/small", "/files/large")
    assert small.request is not None
    assert large.request is not None
    assert (small.request.size, large.request.size) == (2**20, LARGE)
    body = large.request.body
    assert body is not None
    assert (body.size, body.dropped) == (LARGE, None)
    if body.parts is None:
        assert body.cut
        assert body.text is not None
        assert body.text.startswith('{"name": "Ada"')
        assert len(body.text) < 2**15
    else:
        (part,) = body.parts
        assert (part.filename, part.text) == ("film.bin", None)
        assert LARGE - 200 < part.size < LARGE


def test_server_sent_events_arrive_as_they_are_made(host: Host) -> None:
    """The client has the first before there is a second; when the last has gone, one record tells of all."""
    with client_of(host) as client, client_of(host) as other, client.stream("GET", "/events") as response:
        stream = response.iter_raw()
        received = next(stream)
        assert received == EVENT
        assert other.post("/seen").status_code == 200
        received += b"".join(stream)
    assert received == EVENT * EVENTS
    (record,) = records(host, "/events")
    assert record.response is not None
    assert (record.outcome, record.status, record.response.size) == ("success", 200, len(received))


def test_a_client_that_leaves_its_events_has_disconnected(host: Host) -> None:
    """The record tells of the events that were sent until then."""
    with client_of(host) as client, client.stream("GET", "/events") as response:
        assert next(response.iter_raw()) == EVENT
        client.close()
    (record,) = records(host, "/events")
    assert record.response is not None
    assert (record.outcome, record.status, record.response.size) == ("disconnected", 200, len(EVENT))


def test_a_websocket_is_one_record_however_much_is_said(host: Host) -> None:
    """10,000 messages each way are two numbers."""
    with connect(f"{host.address.replace('http', 'ws')}/live", open_timeout=SECONDS, proxy=None) as websocket:
        for first in range(0, MESSAGES, 100):
            said = [str(number) for number in range(first, first + 100)]
            for each in said:
                websocket.send(each)
            assert [websocket.recv(SECONDS) for _ in said] == said
    (record,) = records(host, "/live")
    assert record.websocket is not None
    received, sent = record.websocket.received, record.websocket.sent
    assert (record.kind, received.messages, sent.messages) == ("websocket", MESSAGES, MESSAGES)
    assert received.bytes == sent.bytes == sum(len(str(number)) for number in range(MESSAGES))


@pytest.mark.parametrize("host", ["hypercorn", "granian"], indirect=True)
def test_a_post_over_http2_is_one_record(host: Host) -> None:
    """A stream of an HTTP/2 connection is a request like any other."""
    with client_of(host, http2=True) as client:
        response = client.post("/things", json={"name": "Ada"})
    assert (response.status_code, response.http_version) == (200, "HTTP/2")
    (record,) = records(host, "/things")
    assert record.request is not None
    assert (record.action, record.outcome, record.request.http_version) == ("POST", "success", "2")
    assert record.request.body is not None
    assert record.request.body.text == response.request.content.decode()
