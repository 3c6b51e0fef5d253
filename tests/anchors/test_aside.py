import asyncio
import contextvars
import threading
from collections.abc import Callable

import pytest

from asgi_audit.anchors.aside import aside

here: contextvars.ContextVar[str] = contextvars.ContextVar("here", default="nowhere")


@pytest.mark.asyncio
async def test_runs_in_the_callers_context_and_another_thread() -> None:
    """What is logged there is known for the trail's own doing, and not recorded."""
    here.set("in the delivery thread")
    assert await aside(lambda: (here.get(), threading.current_thread() is threading.main_thread())) == (
        "in the delivery thread",
        False,
    )


@pytest.mark.asyncio
async def test_raises_what_the_work_raises() -> None:
    """Whatever it is."""

    def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await aside(fail)


@pytest.mark.asyncio
async def test_nobody_waits_for_it_once_its_caller_is_cancelled() -> None:
    """It comes to its end by itself, and what comes of it goes nowhere."""
    begun, let_go, ended = threading.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work() -> None:
        begun.set()
        let_go.wait(30)
        loop.call_soon_threadsafe(ended.set)

    waiting = asyncio.create_task(aside(work))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    let_go.set()
    await ended.wait()
    await asyncio.sleep(0)


def test_a_loop_that_has_ended_is_not_told() -> None:
    """The thread goes quietly."""
    let_go, threads = threading.Event(), []

    def work() -> None:
        threads.append(threading.current_thread())
        let_go.wait(30)

    async def leave() -> None:
        waiting = asyncio.create_task(aside(work))
        while not threads:
            await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    let_go.set()
    threads[0].join(30)
    assert not threads[0].is_alive()


@pytest.mark.asyncio
async def test_without_threads_it_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the end of the interpreter, which starts no more."""
    started: list[Callable[[], None]] = []

    def start(thread: threading.Thread) -> None:
        started.append(thread.run)
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert await aside(threading.get_ident) == threading.get_ident()
    assert len(started) == 1
