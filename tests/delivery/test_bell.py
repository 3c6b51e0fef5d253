"""Who wakes whom, and how batches grow."""

import asyncio
import threading
import time

from asgi_audit import AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.delivery.bell import Bell
from asgi_audit.testing import MemorySink
from tests.delivery.faulty import FAST, PATIENCE, Faulty


def test_no_record_needs_a_second_ring() -> None:
    """Threads put single records while the lanes keep falling asleep; each is delivered by itself."""
    sinks = [Faulty(name=f"sink {number}") for number in range(2)]
    trail = AuditTrail(*sinks, delivery=FAST)

    def put(thread: int) -> None:
        for number in range(100):
            action = f"{thread}.{number}"
            trail.event(action)
            for sink in sinks:
                sink.wait(lambda sink=sink, action=action: action in sink.actions[-50:])  # type: ignore[misc]

    threads = [threading.Thread(target=put, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    trail.close()
    for sink in sinks:
        assert len(sink.actions) == 600


def test_records_are_gathered_into_batches() -> None:
    """The first one waits for others, so that a burst costs one transaction; a flush ends the waiting."""
    sink = Faulty()
    trail = AuditTrail(sink, delivery=Delivery(linger=PATIENCE * 10))
    trail.open()
    sink.wait(lambda: len(sink.batches) == 1)
    for number in range(50):
        trail.event(f"n{number}")
    trail.flush(PATIENCE)
    assert sink.actions == [f"n{number}" for number in range(50)]
    assert len(sink.batches) <= 3  # what came before the lane had gone to sleep needs no waiting, and went at once
    trail.close()


def test_while_somebody_waits_nothing_lingers() -> None:
    """Also records that come after the flush began are delivered at once."""
    sink = Faulty()
    trail = AuditTrail(sink, delivery=Delivery(linger=PATIENCE * 10))
    trail.event("a")
    trail.flush(PATIENCE)
    worker = trail._outbox._worker
    assert worker is not None
    worker.bell.hurry()
    trail.event("b")
    sink.wait(lambda: "b" in sink.actions)
    worker.bell.relax()
    trail.close()


def test_a_batch_is_no_larger_than_it_may_be() -> None:
    """What is more comes at once after it."""
    sink = Faulty()
    trail = AuditTrail(sink, delivery=Delivery(linger=PATIENCE * 10, batch_size=20))
    for number in range(50):
        trail.event(f"n{number}")
    trail.flush(PATIENCE)
    assert max(map(len, sink.batches)) <= 20
    assert sink.actions == [f"n{number}" for number in range(50)]
    trail.close()


def test_a_bell_of_a_loop_that_has_ended_is_silent() -> None:
    """Who rings it late is not disturbed."""
    loop = asyncio.new_event_loop()
    bell = Bell(loop)
    loop.close()
    bell.hurry()
    bell.close()
    assert bell.closing


def test_waiting_ends_at_the_deadline() -> None:
    """What is not done by then is not done."""
    loop = asyncio.new_event_loop()
    bell = Bell(loop)
    assert bell.wait_until(lambda: True, time.monotonic() - 1)
    assert not bell.wait_until(lambda: False, time.monotonic() + 0.001)
    loop.close()


def test_many_threads_flush_side_by_side() -> None:
    """Each returns when its own records are stored."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=Delivery(linger=PATIENCE * 10))
    seen: list[bool] = []

    def work(number: int) -> None:
        trail.event(f"n{number}")
        trail.flush(PATIENCE)
        seen.append(f"n{number}" in [record.action for record in sink.records])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 12
    trail.close()


def test_a_lane_that_has_something_to_do_does_not_fall_asleep() -> None:
    """It looks once more after it has said that it sleeps: a record that came between rang for nobody."""

    async def look() -> None:
        bell = Bell(asyncio.get_running_loop())
        await bell.wait_for_records(lambda: True)
        bell.close()
        await bell.wait_for_records(lambda: False)

    asyncio.run(asyncio.wait_for(look(), PATIENCE))
