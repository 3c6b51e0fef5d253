"""Waiting in whatever asynchronous library runs here, asyncio or trio, by its own primitives."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeAlias

#: Is given a function, and will have it called once, from any thread; `False` if there is nothing to wait for.
Subscribe: TypeAlias = Callable[[Callable[[], None]], bool]


async def in_thread(work: Callable[[], None]) -> None:
    """Run blocking work in a thread of the running library's."""
    if (trio := _running_trio()) is not None:
        await trio.to_thread.run_sync(work)
    else:
        await asyncio.to_thread(work)


async def called_within(seconds: float, subscribe: Subscribe) -> bool:
    """Wait for the call, at most so long; whether it came, or need not be waited for.

    The call may come at any time later, even when the loop is gone.
    """
    if (trio := _running_trio()) is not None:
        return await _called_in_trio(trio, seconds, subscribe)
    return await _called_in_asyncio(seconds, subscribe)


def lock() -> AbstractAsyncContextManager[Any]:
    """A new lock of the running library's, which those who wait get in the order in which they came."""
    trio = _running_trio()
    found: AbstractAsyncContextManager[Any] = asyncio.Lock() if trio is None else trio.Lock()
    return found


def _running_trio() -> Any:
    trio = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_run() else None


async def _called_in_asyncio(seconds: float, subscribe: Subscribe) -> bool:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()

    def decide(came: bool) -> None:
        if not answer.done():
            answer.set_result(came)

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(decide, True)

    if not subscribe(wake):
        return True
    timer = loop.call_later(seconds, decide, False)
    try:
        return await answer
    finally:
        timer.cancel()


async def _called_in_trio(trio: Any, seconds: float, subscribe: Subscribe) -> bool:
    token = trio.lowlevel.current_trio_token()
    came = trio.Event()

    def wake() -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(came.set)

    if not subscribe(wake):
        return True
    with trio.move_on_after(seconds):
        await came.wait()
    return bool(came.is_set())
