import asyncio
import threading
from collections.abc import Awaitable, Sequence

import pytest

from asgi_audit.record import Record
from asgi_audit.sinks import FunctionSink
from asgi_audit.sinks.thread import OwnThread
from tests.samples import records

pytestmark = pytest.mark.asyncio


async def test_a_plain_function_may_block() -> None:
    """It runs in one thread of its own, batch after batch."""
    threads: list[str] = []
    sink = FunctionSink(lambda batch: threads.append(threading.current_thread().name))
    await sink.open()
    await sink.write(records(1))
    await sink.write(records(1))
    await sink.close()
    assert threads == ["asgi-audit-sink"] * 2


async def test_a_coroutine_function_runs_in_the_loop() -> None:
    """So may an object whose call is one, without a thread."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def function(batch: Sequence[Record]) -> None:
        loops.append(asyncio.get_running_loop())

    class Object:
        async def __call__(self, batch: Sequence[Record]) -> None:
            await function(batch)

    for sink in (FunctionSink(function), FunctionSink(Object())):
        await sink.open()
        await sink.write(records(1))
        await sink.close()
    assert loops == [asyncio.get_running_loop()] * 2


async def test_a_coroutine_that_a_plain_function_returns_is_awaited() -> None:
    """Else a lambda around a coroutine function would seem to store what it never saw."""
    kept: list[Record] = []

    async def function(batch: Sequence[Record]) -> None:
        kept.extend(batch)

    def plain(batch: Sequence[Record]) -> Awaitable[None]:
        return function(batch)

    sink = FunctionSink(plain)
    await sink.open()
    batch = records(2)
    await sink.write(batch)
    await sink.close()
    assert kept == batch


async def test_what_a_function_raises_comes_out_of_write() -> None:
    """The very object."""
    error = ValueError("mine")

    def function(batch: Sequence[Record]) -> None:
        raise error

    sink = FunctionSink(function)
    await sink.open()
    with pytest.raises(ValueError, match="mine") as caught:
        await sink.write(records(1))
    assert caught.value is error
    await sink.close()


async def test_a_thread_is_waited_for_when_cancelled() -> None:
    """What it does can't be undone, so its end is what counts."""
    entered, release = threading.Event(), threading.Event()

    def block() -> str:
        entered.set()
        release.wait(20)
        return "stored"

    thread = OwnThread()
    task = asyncio.create_task(thread.run(block))
    await asyncio.to_thread(entered.wait, 20)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    assert await task == "stored"
    thread.close()


async def test_a_thread_that_ends_after_its_loop_tells_nobody() -> None:
    """A call that outlives the delivery thread does no harm."""
    loop = asyncio.new_event_loop()

    async def make() -> OwnThread:
        return OwnThread()

    thread = await asyncio.to_thread(loop.run_until_complete, make())
    loop.close()
    thread._tell(print, "nobody")
    thread.close()


async def test_it_is_named_after_its_function() -> None:
    """Also where records are shown."""
    assert repr(FunctionSink(records)) == "FunctionSink(tests.samples.records)"  # type: ignore[arg-type]
