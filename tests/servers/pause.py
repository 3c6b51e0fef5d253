"""Waiting, between a test and the application that a server runs for it."""

import threading

import anyio

from asgi_audit import AuditTrail, Record
from asgi_audit.testing import MemorySink
from tests.servers.servers import SECONDS, Theatre


class Pause:
    """A place where an application waits until the test lets it go on, whatever event loop it runs in."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def end(self) -> None:
        """Let it go on."""
        self._open.set()

    def ended(self) -> bool:
        """Wait until it has ended, in a thread."""
        return self._open.wait(SECONDS)

    async def here(self) -> None:
        """Wait, without blocking the loop."""
        assert await anyio.to_thread.run_sync(self.ended)


def ended(theatre: Theatre, trail: AuditTrail, sink: MemorySink) -> list[Record]:
    """The records, once the application has returned."""
    theatre.stage.wait_for_the_end()
    trail.flush()
    return sink.records
