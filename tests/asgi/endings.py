"""Every way a connection can end, by name: what the application does, what the client does, what the record must say.

The table is played three times: as raw conversations, over real sockets, and (what is HTTP) over HTTP/2. Two endings
are not in it, because no client can bring a server to them; they have tests of their own:

- `OSError` out of `send`: no server raises it over HTTP, all let a response to nobody pass. A raw conversation; and
  over a socket the websockets of uvicorn, which do raise it.
- cancelled: what servers do when they stop and a request takes too long. A raw conversation; and servers that stop.
"""

from enum import Enum, auto
from typing import NamedTuple

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from tests.asgi.conversation import body, says, start


class Client(Enum):
    """What the client does."""

    STAYS = auto()  # asks, and takes what comes until the server ends it
    LEAVES = auto()  # asks, and is gone once it has seen what the application sends before it waits
    CLOSES = auto()  # websocket: says one thing, then closes in good order, with the row's `code`
    DROPS = auto()  # websocket: says one thing, then is gone without a word


class Ending(NamedTuple):
    """One row; `IMPOSSIBLE` says where it can't be played."""

    name: str
    app: ASGIApp
    outcome: str
    status: int | None
    client: Client = Client.STAYS
    method: str = "POST"
    error: str | None = None
    codes: frozenset[int | None] = frozenset({None})  # websocket: the close code on record is one of these
    sent: int = 0  # websocket: messages that the application sent
    code: int = 1000  # websocket: what the client closes with
    event: str | None = None  # the outcome of an event record that follows, linked to the record

    def possible_on(self, server: str) -> bool:
        """Whether a server can be brought to it."""
        return not any(server.startswith(name) and self.client is client for name, client in IMPOSSIBLE)


class AppError(Exception):
    """What the applications of this table raise."""


ERROR = f"{__name__}.AppError"


async def until(kind: str, receive: Receive) -> Message:
    """Read on until a message of that type comes."""
    while (message := await receive())["type"] != kind:
        pass
    return message


def then_raises(app: ASGIApp) -> ASGIApp:
    """The application, which fails when it is through."""

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        raise AppError("secret detail")

    return failing


def then_waits_for_the_client_to_leave(app: ASGIApp) -> ASGIApp:
    """The application, which after its last word reads until the client has gone."""

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        await until("http.disconnect", receive)

    return waiting


def socket(*messages: Message, reads: int = 0) -> ASGIApp:
    """An application that takes the connection, reads so many messages, sends these, and returns."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(reads):
            await receive()
        for message in messages:
            await send(message)

    return app


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    """Return without a word."""
    await receive()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Say back what comes, until the client has gone."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        await send({"type": "websocket.send", "text": message["text"]})


def denial(status: int) -> ASGIApp:
    """Refuse the connection with a response of the application's own."""
    return says(
        {"type": "websocket.http.response.start", "status": status, "headers": [(b"content-length", b"2")]},
        {"type": "websocket.http.response.body", "body": b"no"},
    )


def close(code: int) -> Message:
    """Close the websocket."""
    return {"type": "websocket.close", "code": code}


def _codes(*codes: int | None) -> frozenset[int | None]:
    return frozenset(codes)


#: Which servers can't be brought to a row with that client, and why.
IMPOSSIBLE = {("hypercorn", Client.CLOSES): "says 1006 to the application, whatever the client's close said"}

HTTP = [
    Ending("ok", says(start(200), body(b"hello")), "success", 200),
    Ending("created", says(start(201, [(b"content-length", b"2")]), body(b"{}")), "success", 201),
    Ending("streamed", says(start(200), body(b"one", more=True), body(b"two", more=True), body()), "success", 200),
    Ending("redirect", says(start(303, [(b"location", b"/")]), body()), "success", 303),
    Ending("no content", says(start(204), body()), "success", 204),
    Ending("not modified", says(start(304), body()), "success", 304, method="GET"),
    Ending("head", says(start(200, [(b"content-length", b"5")]), body()), "success", 200, method="HEAD"),
    Ending("empty", says(start(200, [(b"content-length", b"0")]), body()), "success", 200),
    Ending("unauthorised", says(start(401), body(b"who?")), "denied", 401),
    Ending("forbidden", says(start(403), body(b"no")), "denied", 403),
    Ending("not found", says(start(404), body(b"what?")), "failed", 404),
    Ending("unavailable", says(start(503), body(b"later")), "failed", 503),
    Ending("raises before the response", then_raises(says()), "error", None, error=ERROR),
    Ending("raises in the response", then_raises(says(start(200), body(b"one", more=True))), "error", 200, error=ERROR),
    Ending("raises after a 500", then_raises(says(start(500), body(b"sorry"))), "error", 500, error=ERROR),
    Ending("raises after the response", then_raises(says(start(200), body())), "success", 200, event="error"),
    Ending(
        "client leaves before the response",
        then_waits_for_the_client_to_leave(says()),
        "disconnected",
        None,
        Client.LEAVES,
    ),
    Ending(
        "client leaves in the response",
        then_waits_for_the_client_to_leave(says(start(200), body(b"one", more=True))),
        "disconnected",
        200,
        Client.LEAVES,
    ),
    Ending(
        "client leaves, and the application minds",
        then_raises(then_waits_for_the_client_to_leave(says(start(200), body(b"one", more=True)))),
        "disconnected",
        200,
        Client.LEAVES,
        error=ERROR,
    ),
    Ending("nothing sent", nothing, "no_response", None),
    Ending("only begun", says(start(200)), "no_response", 200),
    Ending("never finished", says(start(200), body(b"one", more=True)), "no_response", 200),
]

WEBSOCKET = [
    Ending("ws closed", socket(close(1000)), "success", None, codes=_codes(1000)),
    Ending("ws going away", socket(close(1001)), "success", None, codes=_codes(1001)),
    Ending("ws closed with a complaint", socket(close(4001)), "failed", None, codes=_codes(4001)),
    Ending("ws closed by default", socket({"type": "websocket.close"}), "success", None, codes=_codes(1000)),
    Ending("ws returns", socket(), "success", None),
    Ending("ws client closes", echo, "success", None, Client.CLOSES, codes=_codes(1000), sent=1),
    Ending(
        "ws client goes away",
        echo,
        "success",
        None,
        Client.CLOSES,
        code=1001,
        codes=_codes(1001),
        sent=1,
    ),
    Ending(
        "ws client complains",
        echo,
        "failed",
        None,
        Client.CLOSES,
        code=4002,
        codes=_codes(4002),
        sent=1,
    ),
    Ending("ws client drops", echo, "disconnected", None, Client.DROPS, codes=_codes(1005, 1006), sent=1),
    Ending("ws rejected", says(close(1008)), "denied", 403),
    Ending("ws denied", denial(401), "denied", 401),
    Ending("ws not found", denial(404), "failed", 404),
    Ending("ws unavailable", denial(503), "failed", 503),
    Ending("ws raises before accepting", then_raises(says()), "error", None, error=ERROR),
    Ending("ws raises after accepting", then_raises(socket()), "error", None, error=ERROR),
    Ending("ws nothing sent", nothing, "no_response", None),
]
