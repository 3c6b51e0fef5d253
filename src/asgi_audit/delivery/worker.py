"""The delivery thread: a daemon with an event loop of its own.

It needs no lifespan, no framework and no loop of the application; the first record starts it, and the first after a
fork.
"""

import asyncio
import contextvars
import threading
from collections.abc import Sequence

from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.lane import Lane

#: Set in the delivery thread and in all that it starts: what happens there is not itself recorded.
delivering: contextvars.ContextVar[bool] = contextvars.ContextVar("asgi_audit_delivering", default=False)

_LAST_MOMENT = 1.0  # seconds for cancelled sinks to let go


class Worker:
    """Runs the lanes in a thread. Made running; `stop` ends it for good."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self._lanes = lanes
        self._loop = asyncio.new_event_loop()
        self._main: asyncio.Task[None] | None = None
        self.bell = Bell(self._loop)
        # A context of its own: the request that happens to start the thread must not be current in it for ever.
        self._thread = threading.Thread(
            target=contextvars.Context().run, args=(self._run,), name="asgi-audit", daemon=True
        )
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def stop(self, timeout: float) -> None:
        """Deliver what is pending, for at most `timeout` seconds; then close the sinks and end the thread."""
        self.bell.close()
        self._thread.join(timeout)
        if self._thread.is_alive() and self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join(_LAST_MOMENT)

    def _run(self) -> None:
        delivering.set(True)
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._deliver())

    async def _deliver(self) -> None:
        self._main = asyncio.current_task()
        lanes = [asyncio.create_task(lane.run(self.bell)) for lane in self._lanes]
        try:
            await asyncio.gather(*lanes)
        except asyncio.CancelledError:
            pass  # out of time: what is left stays in the journal
        finally:
            await asyncio.gather(*(lane.close() for lane in self._lanes))
