"""The table of endings over real sockets."""

import contextlib
import sys
import threading

import anyio
import httpx
import pytest

from asgi_audit import AuditMiddleware, AuditTrail, Policy
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.testing import MemorySink
from tests.asgi.endings import HTTP, WEBSOCKET, Client, Ending, echo
from tests.asgi.test_endings import check
from tests.servers.clients import play
from tests.servers.servers import HYPERCORN, SECONDS, SERVERS, UVICORN, Address, Theatre, serving


def play_and_check(theatre: Theatre, ending: Ending, *, http2: bool = False) -> None:
    """Be the client; exactly one record is made, and it says what the table says."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.everything)) as trail:
        theatre.stage.put_on(AuditMiddleware(ending.app, trail))
        play(theatre, ending, http2=http2)
        trail.flush()
    check(ending, sink.records)
    request = sink.records[0].request
    assert request is not None
    assert request.http_version == ("2" if http2 else "1.1")


@pytest.mark.parametrize(
    ("server", "ending"),
    [
        pytest.param(server, ending, id=f"{server}-{ending.name}")
        for server in SERVERS
        for ending in HTTP + WEBSOCKET
        if ending.possible_on(server)
    ],
    indirect=["server"],
)
def test_each_ending_leaves_its_record(server: Theatre, ending: Ending) -> None:
    """However a connection ends on whatever server, there is exactly one record of it, and it says how."""
    play_and_check(server, ending)


@pytest.mark.parametrize("ending", HTTP, ids=lambda ending: ending.name)
def test_each_ending_leaves_its_record_over_http2(http2_server: Theatre, ending: Ending) -> None:
    """A stream of an HTTP/2 connection ends as a request of HTTP/1.1 does."""
    play_and_check(http2_server, ending, http2=True)


@pytest.mark.parametrize("server", HYPERCORN, indirect=True)
@pytest.mark.parametrize("code", [1000, 4002])
def test_a_server_that_makes_every_close_a_drop_is_taken_at_its_word(server: Theatre, code: int) -> None:
    """Hypercorn says 1006 whatever the client's close said; the record says what the server said."""
    ending = Ending("", echo, "disconnected", None, Client.CLOSES, code=code, codes=frozenset({1006}), sent=1)
    play_and_check(server, ending)


@pytest.mark.parametrize("server", UVICORN, indirect=True)
def test_a_websocket_that_takes_no_more_has_gone(server: Theatre) -> None:
    """Uvicorn raises an `OSError` at an application that speaks to a client that has dropped the connection."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)
        await send({"type": "websocket.send", "text": "still there?"})

    error = "uvicorn.protocols.utils.ClientDisconnected"
    codes: frozenset[int | None] = frozenset({1005, 1006})
    ending = Ending("", app, "disconnected", None, Client.DROPS, error=error, codes=codes, sent=2)
    play_and_check(server, ending)


# Since Python 3.12 `Server.wait_closed` waits for open connections, so hypercorn 0.18 never gets to its own timeout.
IMPATIENT = [name for name in SERVERS if name != "hypercorn-asyncio" or sys.version_info < (3, 12)]


@pytest.mark.parametrize("name", IMPATIENT)
def test_a_server_that_stops_may_cancel(name: str) -> None:
    """A request that is still running when its server has waited long enough is on record as cancelled."""
    sink = MemorySink()
    began, cancelled = threading.Event(), threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        began.set()
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()

    def ask(theatre: Address) -> None:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{theatre.http}/things", timeout=SECONDS, trust_env=False)

    patience = {"timeout_graceful_shutdown": 0} if name.startswith("uvicorn") else {"graceful_timeout": 0.01}
    with AuditTrail(sink) as trail:
        with serving(name, AuditMiddleware(app, trail), **patience) as address:
            client = threading.Thread(target=ask, args=[address])
            client.start()
            assert began.wait(SECONDS)
        client.join()
        assert cancelled.is_set()
    assert [(record.outcome, record.status) for record in sink.records] == [("cancelled", None)]
