"""Refusals over real sockets: what a client gets when its request can't be on record."""

import contextlib
import threading
from pathlib import Path
from typing import get_args

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.journal import FileJournal
from asgi_audit.journal.durability import Fsync
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import body, start
from tests.durable import DurableJournal
from tests.servers.clients import http_client
from tests.servers.servers import SECONDS, SERVERS, UVICORN, Theatre

REQUIRED = Policy([Rule(Level.METADATA, required=True)])
BREAKS = ["takes nothing", "never settles"]


def broken(how: str) -> DurableJournal:
    """A journal on which no request can be."""
    journal = DurableJournal(synchronous=True, deadline=0.01)
    if how == "takes nothing":
        journal.broken = OSError("no space left on device")
    journal.settling = False
    return journal


class Entered:
    """An application that counts how often it is entered."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count, and answer."""
        self.times += 1
        await send(start(200, [(b"content-length", b"2")]))
        await send(body(b"ok"))


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize(
    ("server", "method", "size"),
    [
        *((server, method, size) for server in SERVERS for method, size in (("POST", 5), ("GET", 0), ("HEAD", 0))),
        # Hypercorn 0.18 may stop answering on a connection of which an application leaves so much unread.
        *((server, "PUT", 2**20) for server in UVICORN),
    ],
    indirect=["server"],
)
def test_a_client_is_told_to_come_again(server: Theatre, method: str, size: int, how: str) -> None:
    """It gets a 503 that it can read, also if it has much to say, and can ask the next thing; nothing is done."""
    app = Entered()
    sink = MemorySink()
    with AuditTrail(sink, policy=REQUIRED, journal=broken(how)) as trail:
        server.stage.put_on(AuditMiddleware(app, trail))
        with http_client(server) as client:
            for _ in range(2):
                response = client.request(method, "/pay", content=bytes(size) or None)
                assert response.status_code == 503
                assert response.headers["content-type"] == "application/problem+json"
                assert int(response.headers["retry-after"]) > 0
                assert int(response.headers["content-length"]) > 0
                if method == "HEAD":
                    assert response.content == b""
                else:
                    assert response.json()["status"] == 503
        trail.flush()
    assert app.times == 0
    assert [(record.outcome, record.status) for record in sink.records] == [("refused", 503)] * 2


@pytest.mark.parametrize("how", BREAKS)
def test_a_websocket_is_denied(server: Theatre, how: str) -> None:
    """By a 503 where the server can send one (all of these can), before it is accepted."""
    app = Entered()
    sink = MemorySink()
    with AuditTrail(sink, policy=REQUIRED, journal=broken(how)) as trail:
        server.stage.put_on(AuditMiddleware(app, trail))
        with (
            pytest.raises(InvalidStatus) as caught,
            connect(f"{server.address.websocket}/live", open_timeout=SECONDS, proxy=None),
        ):
            pass
        server.stage.wait_for_the_end()
        trail.flush()
    assert caught.value.response.status_code == 503
    assert "retry-after" in caught.value.response.headers
    assert app.times == 0
    assert [(record.outcome, record.status) for record in sink.records] == [("refused", 503)]


@pytest.mark.parametrize("fsync", get_args(Fsync))
def test_a_journal_in_files_lets_required_requests_pass(server: Theatre, fsync: Fsync, tmp_path: Path) -> None:
    """And where its directory can't be made, it lets none pass."""
    app = Entered()
    statuses: list[int] = []
    for place in (tmp_path / "journal", Path("/dev/null/journal")):
        sink = MemorySink()
        with AuditTrail(sink, policy=REQUIRED, journal=FileJournal(place, fsync=fsync)) as trail:
            server.stage.put_on(AuditMiddleware(app, trail))
            with http_client(server) as client:
                statuses += [client.post("/pay").status_code for _ in range(3)]
    assert statuses == [200] * 3 + [503] * 3
    assert app.times == 3


def test_a_client_that_goes_while_it_waits_has_done_nothing(server: Theatre) -> None:
    """Whether its server cancels then or not, the application is entered with the intent on the disk, or never."""
    app = Entered()
    journal = DurableJournal(synchronous=True)
    journal.settling = False
    gone = threading.Event()

    def sync() -> None:
        assert gone.wait(SECONDS)
        assert app.times == 0
        journal.settling = True
        journal.settle()

    disk = threading.Thread(target=sync)
    with AuditTrail(MemorySink(), policy=REQUIRED, journal=journal) as trail:
        server.stage.put_on(AuditMiddleware(app, trail))
        disk.start()
        with contextlib.suppress(httpx.TransportError), http_client(server) as client:
            client.post("/pay", extensions={"trace": lambda event, info: leave(event, journal)})
        gone.set()
        disk.join()
        server.stage.wait_for_the_end()
        assert journal.open == []


def leave(event: str, journal: DurableJournal) -> None:
    """Go as soon as the server waits for the disk."""
    if event.endswith("receive_response_headers.started"):
        assert journal.asked.wait(SECONDS)
        raise httpx.ReadError("the client has gone")
