"""What a client of the example application does, and what must then be on record, whatever the framework.

The application knows Ada (42), who may change invoices, and Grace (43), who may delete them.
"""

import contextlib
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import httpx
from websockets.sync.client import connect

from asgi_audit import Record

HOST = "acme.example"
AGENT = "story/1"
UPLOAD = bytes(range(256)) * 1024
ADA = {"name": "ada", "password": "lovelace"}
GRACE = {"name": "grace", "password": "hopper"}


class Line(NamedTuple):
    """A record, without what differs from one run to the next."""

    action: str
    outcome: str
    status: int | None
    actor: str | None = None
    target: str | None = None
    data: dict[str, int] | None = None
    error: str | None = None
    messages: tuple[int, int] | None = None  # received, sent


INVOICE = "invoice:2026-117"
ON_RECORD = [
    Line("POST /sign-in", "denied", 401),
    Line("PUT /invoices/{number}", "denied", 401),
    Line("POST /sign-in", "success", 200, "42"),
    Line("PUT /invoices/{number}", "success", 200, "42", INVOICE, {"before": 1999, "after": 2500}),
    Line("invoice.approve", "success", 200, "42", INVOICE),
    Line("POST /invoices/{number}/attachment", "success", 201, "42", INVOICE),
    Line("DELETE /invoices/{number}", "denied", 403, "42"),
    Line("POST /sign-in", "success", 200, "43"),
    Line("DELETE /invoices/{number}", "success", 204, "43", INVOICE),
    Line("POST", "failed", 404),
    Line("POST /reports", "error", 500, error="RuntimeError"),
]


def chat_on(server: str) -> Line:
    """The record of the chat. hypercorn keeps a client's goodbye to itself, and says that the connection was lost."""
    outcome = "disconnected" if server == "hypercorn" else "success"
    return Line("WEBSOCKET /invoices/{number}/chat", outcome, None, messages=(2, 2))


def play(address: str, *, chat: bool = True) -> None:
    """Be the client, from the first refusal to the end of the chat."""
    with _client(address) as nobody:
        _expect(401, nobody.post("/sign-in", json={**ADA, "password": "byron"}))
        _expect(401, nobody.put("/invoices/2026-117", json={"cents": 1}))
    with _signed_in(address, ADA) as ada:
        _expect(200, ada.put("/invoices/2026-117", json={"cents": 2500}))
        _expect(200, ada.post("/invoices/2026-117/approve"))
        attached = ada.post("/invoices/2026-117/attachment", files={"file": ("scan.pdf", UPLOAD)})
        _expect(201, attached)
        assert attached.json() == {"size": len(UPLOAD)}
        _expect(403, ada.delete("/invoices/2026-117"))
    with _signed_in(address, GRACE) as grace:
        _expect(204, grace.delete("/invoices/2026-117"))
    with _client(address) as nobody:
        _expect(404, nobody.post("/nowhere"))
        _expect(500, nobody.post("/reports"))
    if chat:
        port = int(address.rpartition(":")[2])
        with connect(
            f"ws://{HOST}/invoices/2026-117/chat",
            sock=socket.create_connection(("127.0.0.1", port)),
            user_agent_header=AGENT,
            proxy=None,
        ) as talk:
            for text in ("Is it paid?", "Not yet."):
                talk.send(text)
                assert talk.recv(timeout=10) == text


def read(records: Iterable[Record]) -> list[Line]:
    """The records as lines, in the order in which the client has asked; each must also say from where and for whom."""
    lines = []
    for record in sorted(records, key=lambda record: record.time):
        assert record.source is not None
        assert (record.source.ip, record.source.user_agent) == ("127.0.0.1", AGENT)
        assert (record.tenant, record.service) == ("acme", "invoices")
        assert record.request is not None
        if record.request.route is not None and "{number}" in record.request.route:
            assert record.request.params == {"number": "2026-117"}
        lines.append(_line(record))
    return lines


def _line(record: Record) -> Line:
    targets = [f"{target.type}:{target.id}" for target in record.targets or []]
    spoken = record.websocket
    return Line(
        record.action,
        str(record.outcome),
        record.status,
        None if record.actor is None else record.actor.id,
        ", ".join(targets) or None,
        record.data,
        None if record.error is None else record.error.type,
        None if spoken is None else (spoken.received.messages, spoken.sent.messages),
    )


def _client(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Host": HOST, "User-Agent": AGENT}, timeout=10, trust_env=False)


@contextlib.contextmanager
def _signed_in(address: str, person: dict[str, str]) -> Iterator[httpx.Client]:
    """A client with the person's session, or token, whatever the application gives."""
    with _client(address) as client:
        answer = client.post("/sign-in", json=person)
        _expect(200, answer)
        token = answer.json().get("token")
        client.headers.update({} if token is None else {"Authorization": f"Bearer {token}"})
        client.cookies = httpx.Cookies({cookie.name: cookie.value or "" for cookie in client.cookies.jar})
        yield client


def _expect(status: int, answer: httpx.Response) -> None:
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer}: {answer.text}"
