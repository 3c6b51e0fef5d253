"""Any callable as a sink."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from asgi_audit.record import Record
from asgi_audit.sinks.thread import OwnThread

SinkFunction: TypeAlias = Callable[[Sequence[Record]], Awaitable[None] | None]


class FunctionSink:
    """Hands each batch to a function; return = stored, raise = not stored, as with any sink.

    A plain function runs in a thread of its own, so it may block; a coroutine function runs in the delivery loop, so it
    may not.
    """

    def __init__(self, function: SinkFunction) -> None:
        self._function = function
        call = getattr(function, "__call__", function)  # noqa: B004 - for objects whose __call__ is a coroutine function
        self._blocking = not (inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call))
        where = function if hasattr(function, "__qualname__") else type(function)
        self.name = ".".join(filter(None, (where.__module__, where.__qualname__)))  # a built-in has no module

    async def open(self) -> None:
        """Start the thread, if the function needs one."""
        if self._blocking:
            self._thread = OwnThread()

    async def write(self, records: Sequence[Record]) -> None:
        """Call the function with the batch."""
        if self._blocking:
            result = await self._thread.run(lambda: self._function(records))
        else:
            result = self._function(records)
        if inspect.isawaitable(result):  # a plain function may return a coroutine, as a lambda does
            await result

    async def close(self) -> None:
        """End the thread."""
        if self._blocking:
            self._thread.close()

    def __repr__(self) -> str:
        return f"FunctionSink({self.name})"
