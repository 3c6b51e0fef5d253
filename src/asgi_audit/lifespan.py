"""The lifespan protocol: open the trail at startup, and see it empty before the server hears that shutdown is complete.

An application without lifespan support (Django, many raw ones) raises or returns before it has read anything. Then the
protocol is answered here, so that the records of the last second are delivered before the server exits.
"""

from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.failures import logger
from asgi_audit.trail import AuditTrail

_DRAIN_SECONDS = 5.0
_SHUTDOWN = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed"})


async def lifespan(app: ASGIApp, trail: AuditTrail, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application's lifespan, or, if it has none, our own."""
    spoke = False

    async def watched_receive() -> Message:
        nonlocal spoke
        spoke = True
        return await receive()

    async def watched_send(message: Message) -> None:
        nonlocal spoke
        spoke = True
        if message["type"] == "lifespan.startup.complete":
            trail.open()
        elif message["type"] in _SHUTDOWN:
            await trail.drain(_DRAIN_SECONDS)
        await send(message)

    try:
        await app(scope, watched_receive, watched_send)
    except Exception as error:
        if spoke:
            raise
        logger.info("the application has no lifespan (%s), so asgi-audit answers for it", type(error).__name__)
        await _start(receive, watched_send)
        await receive()
        await trail.drain(_DRAIN_SECONDS)
        raise  # whoever calls us learns of it as without us, only later
    if not spoke:
        await _start(receive, watched_send)
        await receive()
        await watched_send({"type": "lifespan.shutdown.complete"})


async def _start(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
