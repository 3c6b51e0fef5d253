"""A thread of one sink's own, for work that blocks."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")


class OwnThread:
    """Runs blocking functions one after the other, away from the event loop that made it.

    An executor would not do: at interpreter exit, when the last records are delivered, executors take no more work.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="asgi-audit-sink", daemon=True).start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run it and wait for its end, even when cancelled: a thread can't be, and what it has done counts."""
        future: asyncio.Future[Result] = self._loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the sink's caller must hear of it
                self._tell(future.set_exception, _bearable(error))
            else:
                self._tell(future.set_result, result)

        self._jobs.put(job)
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({future})
        return future.result()

    def close(self) -> None:
        """End the thread once its work is done."""
        self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _tell(self, setter: Callable[..., None], value: object) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(setter, value)


def _bearable(error: BaseException) -> Exception:
    """The error, unless it means something else to a future or to an event loop than to a function."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"the function raised {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped
