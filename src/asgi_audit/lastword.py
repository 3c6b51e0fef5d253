"""The message that ends a response, held back until its record is on the disk (`fsync="always"`)."""

from contextlib import AbstractAsyncContextManager
from typing import Any

from asgi_audit._types import Message, Send
from asgi_audit.trail import AuditTrail
from asgi_audit.waiting import lock


class LastWord:
    """Passes the messages of one connection on. What another task says meanwhile does not overtake the last one."""

    def __init__(self, trail: AuditTrail, send: Send) -> None:
        self._trail = trail
        self._send = send
        self._turn: AbstractAsyncContextManager[Any] | None = None
        #: There is a record, so the next message is the last one.
        self.due = False
        #: The last message is held back; so it stays if the waiting is called off, and is never passed on.
        self.withheld = False

    async def send(self, message: Message) -> None:
        """Pass a message on; the last one as soon as what was recorded is on the disk, or has had its time."""
        if not self.due:
            await self._send(message)
            return
        last = self._turn is None
        if self._turn is None:
            self._turn = lock()
        async with self._turn:
            if last:
                self.withheld = True
                await self._trail.settled()
                self.withheld = False
            await self._send(message)
