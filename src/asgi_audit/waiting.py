"""Blocking work, awaited in whatever asynchronous library runs here."""

import asyncio
import sys
from collections.abc import Callable


async def in_thread(work: Callable[[], None]) -> None:
    """Run blocking work in a thread of the running library's, asyncio or trio."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        await trio.to_thread.run_sync(work)
    else:
        await asyncio.to_thread(work)
