"""How the other threads wake the delivery thread, and it them.

The request's side of it is one attribute look-up: only when the lanes are asleep is the loop called, which costs a
system call.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress


class Bell:
    """Wakes lanes, and those who wait for them; all that is not a coroutine is for other threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.closing = False  # end when nothing is pending
        self.over = False  # end now
        self._loop = loop
        self._asleep = False
        self._news = asyncio.Event()
        self.nudge = asyncio.Event()  # of the next who hurries
        self._hurried = 0
        self._progress = threading.Condition()

    def ring(self) -> None:
        """There are new records."""
        if self._asleep:
            self._asleep = False
            self._call(self._spread_news)

    def hurry(self) -> None:
        """Somebody waits from now on: do not gather batches, and try failing sinks at once."""
        self._call(self._enter_hurry)

    def relax(self) -> None:
        """One waits no more."""
        self._call(self._leave_hurry)

    def close(self) -> None:
        """Deliver what is there, then stop."""
        self.closing = True
        self.hurry()
        self._call(self._spread_news)

    def end(self) -> None:
        """Stop, whatever is pending."""
        self.over = True
        self.hurry()

    def announce(self) -> None:
        """A lane has got further."""
        with self._progress:
            self._progress.notify_all()

    def wait_until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Block until `done`, asked after each announcement, or until the deadline (monotonic); say which."""
        with self._progress:
            return self._progress.wait_for(done, max(0.0, deadline - time.monotonic()))

    async def wait_for_records(self, pending: Callable[[], bool]) -> None:
        """Sleep until there are records to deliver, or it is over."""
        news = self._news
        self._asleep = True  # before the last look: a record that comes after it rings
        if not pending() and not self.closing:
            await news.wait()

    async def gather(self, seconds: float) -> None:
        """Let a batch grow, unless somebody waits for it."""
        if not self._hurried:
            await self.pause(seconds, self.nudge)

    async def pause(self, seconds: float, nudge: asyncio.Event) -> bool:
        """Wait, at most until somebody begins to wait for us, or has since `nudge` was taken; say whether so."""
        if self.over:
            return True
        try:
            async with asyncio.timeout(seconds):
                await nudge.wait()
        except TimeoutError:
            return False
        return True

    def _spread_news(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _enter_hurry(self) -> None:
        self._hurried += 1
        nudge, self.nudge = self.nudge, asyncio.Event()
        nudge.set()

    def _leave_hurry(self) -> None:
        self._hurried -= 1

    def _call(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it everybody who could be woken
            self._loop.call_soon_threadsafe(function)
