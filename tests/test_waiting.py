"""Waiting for a call from another thread, under asyncio and trio."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio
import pytest

from asgi_audit.waiting import called_within, in_thread, lock

PATIENCE = 20.0
Wake: TypeAlias = Callable[[], None]

each_backend = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(backend: str, work: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Run it in a new loop."""
    return anyio.run(work, *arguments, backend=backend)


@each_backend
def test_a_call_from_any_thread_wakes(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """At once, or later, or twice."""

    def at_once(wake: Wake) -> bool:
        wake()
        wake()
        return True

    def from_a_thread(wake: Wake) -> bool:
        threading.Thread(target=wake).start()
        return True

    async def wait() -> None:
        assert await called_within(PATIENCE, at_once)
        await anyio.lowlevel.checkpoint()  # for the second call
        assert await called_within(PATIENCE, from_a_thread)

    run(backend, wait)
    assert caplog.text == ""


def test_who_was_called_leaves_no_timer_behind() -> None:
    """Else each of a second's requests would stay for as long as the deadline."""
    timers: list[asyncio.TimerHandle] = []

    def at_once(wake: Wake) -> bool:
        wake()
        return True

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def watched(*arguments: Any) -> asyncio.TimerHandle:
            timers.append(call_later(*arguments))
            return timers[-1]

        loop.call_later = watched  # type: ignore[method-assign, assignment]
        await called_within(PATIENCE, at_once)

    asyncio.run(wait())
    assert [timer.cancelled() for timer in timers] == [True]


@each_backend
def test_there_may_be_nothing_to_wait_for(backend: str) -> None:
    """Then it is as if the call had come."""
    assert run(backend, called_within, PATIENCE, lambda wake: False)


@each_backend
def test_a_call_that_does_not_come_in_time(backend: str) -> None:
    """It is not waited for; when it comes after all, in this loop or after its end, it does nothing."""
    wakes: list[Wake] = []

    def keep(wake: Wake) -> bool:
        wakes.append(wake)
        return True

    async def wait() -> bool:
        came = await called_within(0.001, keep)
        wakes[0]()
        await anyio.lowlevel.checkpoint()
        return came

    assert run(backend, wait) is False
    wakes[0]()


@each_backend
def test_waiting_can_be_called_off(backend: str) -> None:
    """A call that comes later does nothing."""
    wakes: list[Wake] = []
    answers: list[bool] = []

    def keep(wake: Wake) -> bool:
        wakes.append(wake)
        return True

    async def wait() -> None:
        answers.append(await called_within(PATIENCE, keep))

    async def serve() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            while not wakes:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        wakes[0]()
        await anyio.lowlevel.checkpoint()

    run(backend, serve)
    assert answers == []


@each_backend
def test_what_raises_instead_is_heard(backend: str) -> None:
    """Nobody waits for one who can't call."""

    def fail(wake: Wake) -> bool:
        raise OSError("input/output error")

    with pytest.raises(OSError, match="input/output"):
        run(backend, called_within, PATIENCE, fail)


def test_without_a_loop_there_is_no_waiting() -> None:
    """A coroutine that somebody drives by hand is told so."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        called_within(PATIENCE, lambda wake: True).send(None)


@each_backend
def test_a_lock_is_taken_in_turn(backend: str) -> None:
    """By whoever came first."""
    order: list[int] = []

    async def take(turn: Any, number: int) -> None:
        async with turn:
            order.append(number)
            await anyio.lowlevel.checkpoint()

    async def serve() -> None:
        turn = lock()
        async with anyio.create_task_group() as group, turn:
            for number in range(5):
                group.start_soon(take, turn, number)
                for _ in range(5):  # until it waits
                    await anyio.lowlevel.checkpoint()

    run(backend, serve)
    assert order == [0, 1, 2, 3, 4]


@each_backend
def test_blocking_work_runs_in_a_thread(backend: str) -> None:
    """Not in the loop's."""
    threads: list[threading.Thread] = []
    run(backend, in_thread, lambda: threads.append(threading.current_thread()))
    assert threads != [threading.main_thread()]


def test_an_asyncio_program_that_has_trio_loaded_uses_asyncio() -> None:
    """What counts is which one runs."""
    assert isinstance(asyncio.run(_a_lock()), asyncio.Lock)


async def _a_lock() -> Any:
    return lock()
