"""Work that blocks, away from the event loop."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


async def aside(work: Callable[[], Result]) -> Result:
    """Run it in the caller's context and a thread of its own, which nobody waits for once the caller is cancelled.

    An executor would not do: at interpreter exit, when the last checkpoint is published, executors take no more work.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def tell(setter: Callable[[Any], None], value: object) -> None:
        if not future.done():
            setter(value)

    def job() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must hear of it
            outcome: tuple[Callable[[Any], None], object] = future.set_exception, error
        else:
            outcome = future.set_result, result
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(tell, *outcome)

    try:
        threading.Thread(
            target=contextvars.copy_context().run, args=(job,), name="asgi-audit-anchor", daemon=True
        ).start()
    except RuntimeError:  # the interpreter is about to end: there are no more threads, and nobody to be delayed
        return work()
    return await future
