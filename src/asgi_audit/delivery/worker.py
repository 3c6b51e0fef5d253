"""The delivery thread: a daemon with an event loop of its own.

It needs no lifespan, no framework and no loop of the application; the first record starts it, and the first after a
fork.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence

from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.custodian import Custodian
from asgi_audit.delivery.lane import Lane
from asgi_audit.delivery.sealing import SealingRoutine
from asgi_audit.journal import Journal

#: Set in the delivery thread and in all that it starts: what happens there is not itself recorded.
delivering: contextvars.ContextVar[bool] = contextvars.ContextVar("asgi_audit_delivering", default=False)

_LAST_MOMENT = 1.0  # seconds for cancelled sinks to let go
_LAST_PASS = 2.0  # seconds to seal what was stored last; else the next process does it


class Worker:
    """Runs the lanes in a thread, from `start` until `stop`; for one time only."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        journal: Journal,
        declare: Callable[[], None],
        sealing: SealingRoutine | None = None,
    ) -> None:
        self.ended = False
        self._lanes = lanes
        self._journal = journal
        self._sealing = sealing
        self._sealed: asyncio.Future[None] | None = None
        self._loop = asyncio.new_event_loop()
        self.bell = Bell(self._loop)
        self._custodian = Custodian(journal, declare, self.bell)
        # A context of its own: the request that happens to start the thread must not be current in it for ever.
        self._thread = threading.Thread(
            target=contextvars.Context().run, args=(self._run,), name="asgi-audit", daemon=True
        )

    def start(self) -> None:
        """Start the thread; raises `RuntimeError` if there can't be one."""
        try:
            self._thread.start()
        except RuntimeError:
            self._loop.close()
            raise

    def stop(self, timeout: float) -> None:
        """Deliver what is pending, for at most `timeout` seconds; then close the sinks and end the thread.

        A sink that holds on even when it is cancelled keeps the thread until it lets go.
        """
        self._custodian.stop()
        self.bell.close()
        self._thread.join(timeout)
        if not self.ended:
            try:
                self._loop.call_soon_threadsafe(self._interrupt)
            except RuntimeError:  # it has ended just now
                return
            self._thread.join(_LAST_MOMENT)

    def _interrupt(self) -> None:
        self.bell.end()
        if self._sealed is not None:
            self._sealed.cancel()
        for lane in self._lanes:
            lane.interrupt()

    def _run(self) -> None:
        delivering.set(True)
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._deliver())
        finally:
            self.ended = True

    async def _deliver(self) -> None:
        end = asyncio.Event()
        if self._sealing is not None:
            self._sealed = asyncio.ensure_future(self._sealing.run(end))
        try:
            self._custodian.start()
            await self._run_lanes()
            # One lane's last batch may leave something to say that concerns those which were ready before.
            while not self.bell.over and self._unfinished():
                await self._run_lanes()
        finally:
            end.set()
            if self._sealed is not None:
                await asyncio.wait({self._sealed}, timeout=0 if self.bell.over else _LAST_PASS)
                self._sealed.cancel()
                await asyncio.wait({self._sealed}, timeout=_LAST_MOMENT)
            await asyncio.gather(*(lane.close() for lane in self._lanes))

    def _unfinished(self) -> bool:
        self._journal.sync()
        return any(lane.unfinished() for lane in self._lanes)

    async def _run_lanes(self) -> None:
        await asyncio.gather(*(lane.run(self.bell) for lane in self._lanes))
