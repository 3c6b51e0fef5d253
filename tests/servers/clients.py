"""What clients do, over a socket."""

import contextlib
import socket
from collections.abc import Callable

import httpx
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from tests.asgi.endings import HTTP, Client, Ending
from tests.servers.servers import SECONDS, Theatre

_UNFINISHED = frozenset({"no_response", "error"})


def http_client(theatre: Theatre, *, http2: bool = False) -> httpx.Client:
    """A client with one connection, in HTTP/2 from the first byte on if so asked."""
    return httpx.Client(
        base_url=theatre.address.http, http1=not http2, http2=http2, timeout=SECONDS, trust_env=False, verify=False
    )


def play(theatre: Theatre, ending: Ending, *, http2: bool = False) -> None:
    """Be the client of that ending, until the application has returned."""
    if ending in HTTP:
        _ask(theatre, ending, http2=http2)
    else:
        _talk(theatre, ending)
    theatre.stage.wait_for_the_end()


def _ask(theatre: Theatre, ending: Ending, *, http2: bool) -> None:
    if ending.client is Client.LEAVES and ending.status is None:
        leave_before_the_response(theatre, http2=http2)
        return
    with (
        http_client(theatre, http2=http2) as client,
        contextlib.suppress(httpx.TransportError),
        client.stream(ending.method, "/things/7", content=_content(http2=http2)) as response,
    ):
        if ending.status is not None:
            assert response.status_code == ending.status
        if ending.client is Client.LEAVES:
            next(response.iter_raw())
            client.close()
        elif http2 and ending.outcome in _UNFINISHED:
            theatre.stage.wait_for_the_end()  # the connection serves other streams, too: nobody closes it
        else:
            response.read()


def leave_before_the_response(theatre: Theatre, *, http2: bool) -> None:
    """Ask, and go once the application has the request."""
    with contextlib.suppress(httpx.TransportError), http_client(theatre, http2=http2) as client:
        client.post("/things/7", content=_content(http2=http2), extensions={"trace": _Watch(theatre.stage.began.wait)})


def _content(*, http2: bool) -> bytes | None:
    """A body; over HTTP/2 none, as hypercorn dies of one that comes for a stream which has been answered."""
    return None if http2 else b"hello"


class _Watch:
    """httpx tells it what it does: when it would wait for the response, it goes instead."""

    def __init__(self, wait: Callable[[float], bool]) -> None:
        self._wait = wait

    def __call__(self, event: str, info: object) -> None:
        if event.endswith("receive_response_headers.started"):
            assert self._wait(SECONDS)
            raise httpx.ReadError("the client has gone")


def _talk(theatre: Theatre, ending: Ending) -> None:
    with contextlib.suppress(InvalidHandshake, ConnectionClosed, EOFError, OSError):
        talk(theatre, ending)


def talk(theatre: Theatre, ending: Ending) -> None:
    """Open a websocket and do what the ending says."""
    with connect(f"{theatre.address.websocket}/live", open_timeout=SECONDS, proxy=None) as websocket:
        if ending.client is Client.STAYS:
            websocket.recv(SECONDS)
            return
        websocket.send("hello")
        assert websocket.recv(SECONDS) == "hello"
        if ending.client is Client.CLOSES:
            websocket.close(ending.code)
        else:
            drop(websocket)


def drop(websocket: ClientConnection) -> None:
    """Go without a word."""
    websocket.socket.shutdown(socket.SHUT_RDWR)
