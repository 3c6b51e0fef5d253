"""A thousand people at once: each of their requests must be on record in the right name."""

import asyncio
from collections.abc import Callable

from asgi_audit import AuditTrail
from asgi_audit._types import ASGIApp, Message
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import http_scope

PEOPLE = 1000


def check(make: Callable[[AuditTrail], ASGIApp]) -> None:
    """Have a thousand people POST to `/people/{person}` of the application at once, and read the trail.

    The application that `make` returns, already recorded, calls `set_actor(person)`, and `annotate(reason=person)`
    after it has let others run.
    """
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        statuses = asyncio.run(_everybody(make(trail)))
    assert statuses == [200] * PEOPLE
    told = sorted((record.request.path, record.actor.id, record.reason) for record in sink.records)  # type: ignore[union-attr]
    assert told == sorted((f"/people/{number}", str(number), str(number)) for number in range(PEOPLE))


async def _everybody(app: ASGIApp) -> list[int]:
    return await asyncio.gather(*(_ask(app, number) for number in range(PEOPLE)))


async def _ask(app: ASGIApp, person: int) -> int:
    statuses: list[int] = []
    gone = asyncio.Event()
    given = False

    async def receive() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif not message.get("more_body"):
            gone.set()

    await app(http_scope("POST", f"/people/{person}"), receive, send)
    return statuses[0]
