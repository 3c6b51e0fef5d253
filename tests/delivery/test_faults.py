"""Sinks that fail in every way a sink can, behind a real trail."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from asgi_audit import AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.errors import FlushTimeout
from asgi_audit.record import Record
from asgi_audit.testing import MemorySink
from tests.delivery.faulty import FAST, IMPATIENT, PATIENCE, Faulty, Stubborn, failing, fine, hanging

pytestmark = pytest.mark.usefixtures("both_journals")


def events(trail: AuditTrail, *actions: str) -> None:
    """Record an event for each."""
    for action in actions:
        trail.event(action)


def test_a_sink_that_fails_gets_its_records_when_it_recovers() -> None:
    """Nothing is lost and nothing changes places; the failure is visible as soon as the attempt is over."""
    sink = Faulty(failing)
    trail = AuditTrail(sink, delivery=FAST)
    events(trail, "a", "b")
    sink.wait_for_batches(2)
    assert trail.health().status == "failing"
    assert "sink faulty: ConnectionError: nobody listens" in trail.health().problems[0]
    assert trail.stats().sinks[0].failed_attempts >= 1
    events(trail, "c")
    sink.behave = fine
    trail.flush(PATIENCE)
    assert sink.actions == ["a", "b", "c"]
    assert trail.stats().sinks[0].last_error is None
    assert trail.health().status == "degraded"
    trail.close()
    assert sink.most_at_once == 1


def test_a_sink_that_hangs_is_cancelled_at_its_deadline() -> None:
    """It is tried again, and a timeout is what went wrong."""
    sink = Faulty(hanging)
    trail = AuditTrail(sink, delivery=IMPATIENT)
    events(trail, "a")
    sink.wait_for_batches(2)
    assert "TimeoutError: no answer within 0.02 s" in trail.health().problems[0]
    sink.behave = fine
    trail.flush(PATIENCE)
    trail.close()
    assert sink.actions == ["a"]
    assert sink.most_at_once == 1


def test_a_sink_that_ignores_its_cancellation_is_visible_and_never_called_twice() -> None:
    """The failure shows at the deadline, though the call never ends; the other sink gets everything meanwhile."""
    stubborn = Stubborn()
    sink, healthy = Faulty(stubborn), MemorySink()
    trail = AuditTrail(sink, healthy, delivery=IMPATIENT)
    events(trail, "a")
    assert stubborn.cancelled.wait(PATIENCE)
    assert "no answer within" in trail.health().problems[0]
    events(trail, "b", "c")
    with pytest.raises(FlushTimeout) as caught:
        trail.flush(0.1)
    assert list(caught.value.pending) == ["faulty"]
    assert [record.action for record in healthy.records] == ["a", "b", "c"]
    assert len(sink.batches) == 1
    stubborn.released.set()
    trail.flush(PATIENCE)
    trail.close()
    assert sink.actions == ["a", "b", "c"]
    assert sink.most_at_once == 1
    assert trail.stats().sinks[0].failed_attempts == 1


def test_a_sink_that_returns_late_has_stored_its_records() -> None:
    """What came back past the deadline counts: the batch is not sent again."""
    stubborn = Stubborn()
    sink = Faulty(stubborn)
    trail = AuditTrail(sink, delivery=IMPATIENT)
    events(trail, "a")
    assert stubborn.cancelled.wait(PATIENCE)
    stubborn.released.set()
    trail.flush(PATIENCE)
    trail.close()
    actions = [action for batch in sink.batches for action in batch]
    assert actions == ["trail.open", "a", "trail.close"]
    assert trail.stats().sinks[0].failed_attempts == 1
    assert trail.stats().sinks[0].delivered == 3


def test_an_error_past_the_deadline_is_one_failure() -> None:
    """The attempt has failed already; that it says so itself in the end adds nothing."""
    ended = threading.Event()

    async def late_error(records: Sequence[Record]) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            sink.behave = fine
            ended.set()
            raise ConnectionError("late") from None

    sink = Faulty(late_error)
    trail = AuditTrail(sink, delivery=IMPATIENT)
    events(trail, "a")
    assert ended.wait(PATIENCE)
    trail.flush(PATIENCE)
    trail.close()
    assert trail.stats().sinks[0].failed_attempts == 1
    assert sink.actions == ["a"]


def test_a_slow_sink_is_no_failing_sink() -> None:
    """Within its deadline it may take its time."""

    async def slow(records: Sequence[Record]) -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    sink = Faulty(slow)
    with AuditTrail(sink, delivery=FAST) as trail:
        events(trail, "a", "b")
    assert sink.actions == ["a", "b"]
    assert trail.stats().sinks[0].failed_attempts == 0


def test_a_function_that_blocks_delays_no_other_sink() -> None:
    """It runs in a thread of its own; past its deadline it is waited for, since a thread can't be cancelled."""
    blocked, release = threading.Event(), threading.Event()
    calls: list[list[str]] = []

    def blocking(records: Sequence[Record]) -> None:
        calls.append([record.action for record in records])
        blocked.set()
        release.wait(PATIENCE)

    healthy = MemorySink()
    trail = AuditTrail(healthy, blocking, delivery=IMPATIENT)
    events(trail, "a")
    assert blocked.wait(PATIENCE)
    events(trail, "b")
    with pytest.raises(FlushTimeout):
        trail.flush(0.1)
    assert [record.action for record in healthy.records] == ["a", "b"]
    release.set()
    trail.flush(PATIENCE)
    trail.close()
    assert sorted(action for call in calls for action in call) == ["a", "b", "trail.close", "trail.open"]


def test_a_sink_that_does_not_open_is_opened_again() -> None:
    """Until it succeeds; then everything that has waited is written."""
    sink = Faulty()
    sink.opening = failing
    attempts = threading.Semaphore(0)

    async def counted(records: Sequence[Record]) -> None:
        attempts.release()
        await failing(records)

    sink.opening = counted
    trail = AuditTrail(sink, delivery=FAST)
    events(trail, "a")
    for _ in range(3):
        assert attempts.acquire(timeout=PATIENCE)
    assert trail.health().status == "failing"
    assert sink.batches == []
    sink.opening = fine
    trail.flush(PATIENCE)
    trail.close()
    assert sink.actions == ["a"]
    assert (sink.opened, sink.closed) == (1, 1)


@pytest.mark.parametrize(
    ("closing", "said"), [(failing, "ConnectionError: nobody listens"), (hanging, "TimeoutError: no answer")]
)
def test_a_sink_that_does_not_close_keeps_nobody(closing: Callable[..., None], said: str) -> None:
    """Its records are stored; that it failed to let go is counted."""
    sink, other = Faulty(), Faulty(name="other")
    sink.closing = closing  # type: ignore[assignment]
    with AuditTrail(sink, other, delivery=IMPATIENT) as trail:
        events(trail, "a")
    assert sink.actions == other.actions == ["a"]
    assert other.closed == 1
    assert said in (trail.stats().sinks[0].last_error or "")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopAsyncIteration()])
def test_what_a_sink_raises_ends_no_thread(error: BaseException) -> None:
    """Whatever it is, the attempt has failed, the other sinks go on, and it is tried again."""

    async def odd(records: Sequence[Record]) -> None:
        raise error

    sink, healthy = Faulty(odd), MemorySink()
    trail = AuditTrail(sink, healthy, delivery=FAST)
    events(trail, "a")
    sink.wait_for_batches(3)
    assert trail.health().status == "failing"
    sink.behave = fine
    trail.flush(PATIENCE)
    trail.close()
    assert sink.actions == [record.action for record in healthy.records] == ["a"]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), GeneratorExit(), ValueError()])
def test_what_a_function_raises_is_heard_of(error: BaseException) -> None:
    """Also what would mean something else to a future, an event loop or a thread."""
    failed = threading.Semaphore(0)
    kept: list[str] = []

    def function(records: Sequence[Record]) -> None:
        if failed.acquire(blocking=False):
            kept.extend(record.action for record in records)
        else:
            raise error

    trail = AuditTrail(function, delivery=FAST)
    events(trail, "a")
    with pytest.raises(FlushTimeout):
        trail.flush(0.05)
    assert type(error).__name__ in trail.health().problems[0]
    for _ in range(10):
        failed.release()
    trail.flush(PATIENCE)
    trail.close()
    assert kept == ["trail.open", "a", "trail.close"]


def test_an_error_that_cannot_be_said_is_named() -> None:
    """An exception whose text fails is no reason to stop delivering."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError

    async def mute(records: Sequence[Record]) -> None:
        raise MuteError

    sink = Faulty(mute)
    trail = AuditTrail(sink, delivery=FAST)
    events(trail, "a")
    sink.wait_for_batches(2)
    assert trail.stats().sinks[0].last_error == "MuteError"
    sink.behave = fine
    trail.flush(PATIENCE)
    trail.close()


def test_no_credentials_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A driver's error may quote the URL or what a client has sent: neither health nor log repeats a secret."""
    secret = "hunter2-canary"

    async def telling(records: Sequence[Record]) -> None:
        raise ConnectionError(f"postgresql://app:{secret}@db/audit refused; password={secret}, Bearer {secret}\x00")

    sink = Faulty(telling)
    trail = AuditTrail(sink, delivery=FAST)
    events(trail, "a")
    sink.wait_for_batches(2)
    said = f"{trail.health()} {caplog.text}"
    assert "ConnectionError" in said
    assert secret not in said
    assert "\x00" not in said
    sink.behave = fine
    trail.close(PATIENCE)


def test_a_hurry_tries_a_failing_sink_at_once() -> None:
    """A flush does not wait for the pause between attempts, and the pauses begin anew."""
    sink = Faulty(failing)
    trail = AuditTrail(sink, delivery=Delivery(linger=0.0, retry_first=PATIENCE, retry_most=PATIENCE * 10))
    events(trail, "a")
    sink.wait(lambda: len(sink.batches) == 1)
    sink.behave = fine
    trail.flush(PATIENCE / 4)
    trail.close()
    assert sink.actions == ["a"]
