"""Opening, closing, reopening, and what goes on meanwhile."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from asgi_audit import AuditTrail, Delivery
from asgi_audit.errors import FlushTimeout
from asgi_audit.record import Kind, Record, decode
from asgi_audit.testing import MemorySink
from tests.delivery.faulty import FAST, PATIENCE, Faulty, Stubborn, failing, fine, hanging
from tests.samples import record


def kinds(sink: MemorySink) -> list[str]:
    """All actions, the trail's own among them."""
    return [each.action for each in sink.everything]


def test_a_trail_tells_when_it_opened_and_closed() -> None:
    """Once each, with where it ran and how many records there were; opened again, it goes on counting."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    trail.open()
    trail.open()
    trail.event("a")
    trail.close()
    trail.close()
    trail.event("b")
    trail.close()
    assert kinds(sink) == ["trail.open", "a", "trail.close", "trail.open", "b", "trail.close"]
    assert [each.seq for each in sink.everything] == list(range(6))
    assert sink.everything[0].data == {"pid": os.getpid(), "host": socket.gethostname(), "sinks": ["memory"]}
    assert sink.everything[2].data == {"records": 2}


def test_what_is_not_delivered_at_closing_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, shown as pending, and delivered when the trail is open again."""
    sink = Faulty(failing)
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    trail.close(0.01)
    assert "closed before all was delivered" in caplog.text
    assert "3 for faulty" in caplog.text
    assert trail.stats().sinks[0].pending == 3
    sink.behave = fine
    trail.event("b")
    trail.close(PATIENCE)
    assert sink.actions == ["a", "b"]


def test_closing_does_not_wait_for_a_sink_that_never_returns() -> None:
    """The thread is a daemon; until the sink lets go it is not called again, and then everything is delivered."""
    stubborn = Stubborn()
    sink, other = Faulty(stubborn), Faulty(name="other")
    trail = AuditTrail(sink, other, delivery=FAST)
    trail.event("a")
    sink.wait(lambda: bool(sink.batches))
    trail.close(0.01)
    assert stubborn.cancelled.is_set()
    trail.event("b")
    trail.close(0.01)
    assert len(sink.batches) == 1
    assert trail.health().stats.sinks[0].pending > 0
    stubborn.released.set()
    thread = trail._outbox._worker
    assert thread is not None
    thread._thread.join(PATIENCE)
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert sink.actions == other.actions == ["a", "b"]
    assert sink.most_at_once == other.most_at_once == 1


def test_closing_cuts_a_call_and_a_pause_short() -> None:
    """A sink that hangs is cancelled, one between two attempts is not waited for."""
    hung, failed = Faulty(hanging, name="hung"), Faulty(failing, name="failed")
    trail = AuditTrail(hung, failed, delivery=Delivery(linger=0.0, retry_first=PATIENCE, retry_most=PATIENCE))
    trail.event("a")
    for sink in (hung, failed):
        sink.wait(lambda sink=sink: bool(sink.batches))  # type: ignore[misc]
    thread = trail._outbox._worker
    assert thread is not None
    trail.close(0.01)
    assert thread.ended
    assert hung.closed == failed.closed == 1


def test_a_record_that_comes_while_the_trail_closes_is_delivered() -> None:
    """Threads put records while others close again and again: nothing is lost, and no sink is called twice at once."""
    sink = Faulty()
    trail = AuditTrail(sink, delivery=FAST)

    def put(thread: int) -> None:
        for number in range(100):
            trail.event(f"{thread}.{number}")

    def close() -> None:
        for _ in range(15):
            trail.close(PATIENCE)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    threads += [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert sorted(sink.actions) == sorted(f"{thread}.{number}" for thread in range(4) for number in range(100))
    assert sink.most_at_once == 1
    assert trail.stats().sinks[0].pending == 0


def test_records_that_come_during_a_closing_in_vain_open_the_trail_again() -> None:
    """The sink recovers a moment after the closing has given up: what was put meanwhile is on its way by itself."""
    sink = Faulty(failing)
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    sink.wait(lambda: bool(sink.batches))
    closing = threading.Thread(target=trail.close, args=(0.2,))
    closing.start()
    sink.wait(lambda: any("trail.close" in batch for batch in sink.batches))
    trail.event("b")
    closing.join()
    sink.behave = fine
    sink.wait(lambda: sink.actions == ["a", "b"])
    trail.close(PATIENCE)


def test_a_flush_waits_for_provisional_records() -> None:
    """A request whose 500 is out may still raise: its record is not complete, and a flush waits for it."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    provisional = record(reason="provisional")
    trail._outbox.hold(provisional)
    with pytest.raises(FlushTimeout, match="1 for memory"):
        trail.flush(0.05)
    flushed = threading.Thread(target=trail.flush, args=(PATIENCE,))
    flushed.start()
    trail._outbox.put(record(id=provisional.id, reason="final"))
    flushed.join()
    assert [each.reason for each in sink.records] == ["final"]
    trail.close()


def test_closing_makes_do_with_provisional_records() -> None:
    """They are delivered as they are, and the final one of a request that ends after all is not a second one."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    provisional = record(reason="provisional")
    trail._outbox.hold(provisional)
    trail.close()
    trail._outbox.put(record(id=provisional.id, reason="final"))
    trail.close()
    assert [each.reason for each in sink.records] == ["provisional"]
    assert [each.seq for each in sink.everything] == list(range(len(sink.everything)))


def test_a_sink_makes_no_records_of_its_own_work() -> None:
    """What it does through the trail is left out and counted, and it cannot wait for itself."""
    kept: list[str] = []

    def sink(records: Sequence[Record]) -> None:
        trail.event("recursion")
        trail._outbox.hold(record())
        trail.flush(PATIENCE)
        trail.close(PATIENCE)
        kept.extend(each.action for each in records)

    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert kept == ["trail.open", "a", "trail.close"]
    failures = trail.stats().failures
    assert failures["a sink's own work made a record, which was left out"] >= 1
    assert failures["a sink wanted to wait for its own delivery"] >= 2


def test_a_journal_that_fails_costs_no_request() -> None:
    """It is counted and declared, whatever was raised."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    trail._outbox.put(record(reason="\ud800"))  # can't be encoded
    trail.event("a")
    trail.flush(PATIENCE)
    trail.close()
    assert "journal failed" in " ".join(trail.health().problems)
    (loss,) = [each.data for each in sink.everything if each.kind is Kind.LOSS]
    assert loss == {"records": 1, "reason": "the journal failed"}
    assert trail.stats().sinks[0].lost == 1


def test_without_a_thread_records_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no thread can be started, requests go on; the next record tries again, and the opening stands there once."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)

    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        trail.event("a")
        trail.event("b")
        with pytest.raises(FlushTimeout, match="3 for memory"):
            trail.flush(0.01)
        assert "the delivery thread could not be started" in " ".join(trail.health().problems)
    trail.event("c")
    trail.close(PATIENCE)
    assert kinds(sink) == ["trail.open", "a", "b", "c", "trail.close"]


def test_a_thread_that_died_is_noticed_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by any sink's doing: should ours fail, health says so, and the next record starts another."""
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    trail.flush(PATIENCE)
    thread = trail._outbox._worker
    assert thread is not None
    thread._loop.call_soon_threadsafe(thread._loop.stop)
    thread._thread.join(PATIENCE)
    assert "the delivery thread does not run" in trail.health().problems
    trail.event("b")
    trail.close(PATIENCE)
    assert [each.action for each in sink.records] == ["a", "b"]


def test_stopping_a_thread_that_has_just_ended_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop may be closed before it is known to have ended."""
    trail = AuditTrail(MemorySink(), delivery=FAST)
    trail.event("a")
    thread = trail._outbox._worker
    assert thread is not None
    trail.close(PATIENCE)
    thread.ended = False
    thread.stop(0.0)


def test_nothing_is_flushed_or_closed_before_anything_was_opened() -> None:
    """Both return at once."""
    trail = AuditTrail(MemorySink())
    trail.flush(0.0)
    trail.close(0.0)
    assert trail.stats().accepted == 0
    assert trail.health()


def run(code: str, *arguments: str) -> None:
    """Run a script to its end."""
    subprocess.run([sys.executable, "-W", "error", "-c", code, *arguments], check=True, timeout=60)


def lines(path: Path) -> list[Record]:
    """The records of a file."""
    return [decode(line) for line in path.read_bytes().splitlines()]


_AT_EXIT = """
import sys
from asgi_audit import AuditTrail, Delivery, JSONLinesSink

def work():
    AuditTrail(JSONLinesSink(sys.argv[1]), delivery=Delivery(linger=30.0)).event("a")

work()
"""

_FORK = """
import os, sys
from asgi_audit import AuditTrail, Delivery, JSONLinesSink

trail = AuditTrail(JSONLinesSink(sys.argv[1]), delivery=Delivery(linger=30.0))
trail.event("before")
trail.flush(30)
trail.event("pending")
child = os.fork()
if child:
    os.waitpid(child, 0)
    trail.event("parent")
else:
    trail.event("child")
trail.close(30)
if not child:
    os._exit(0)
"""


def test_a_trail_that_nobody_closed_is_emptied_at_exit(tmp_path: Path) -> None:
    """Also one that was dropped: its last record is delivered before the interpreter ends."""
    run(_AT_EXIT, str(tmp_path / "audit.jsonl"))
    assert [each.action for each in lines(tmp_path / "audit.jsonl")] == ["trail.open", "a", "trail.close"]


def test_a_forked_child_is_a_writer_of_its_own(tmp_path: Path) -> None:
    """It delivers its own records and none of its parent's; the parent goes on as if nothing had happened."""
    run(_FORK, str(tmp_path / "audit.jsonl"))
    by_writer: dict[str | None, list[Record]] = {}
    for each in lines(tmp_path / "audit.jsonl"):
        by_writer.setdefault(each.writer, []).append(each)
    actions = sorted([each.action for each in mine] for mine in by_writer.values())
    assert actions == [
        ["trail.open", "before", "pending", "parent", "trail.close"],
        ["trail.open", "child", "trail.close"],
    ]
    for mine in by_writer.values():
        assert [each.seq for each in mine] == list(range(len(mine)))
    assert len({each.id for mine in by_writer.values() for each in mine}) == 8


def test_what_a_child_does_first_and_a_process_last() -> None:
    """The same, seen from within: a new writer without records, and a closing within a few seconds."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("parent")
    trail.close(PATIENCE)
    before = trail.stats().writer
    trail._outbox._renew()
    assert trail.stats().writer != before
    assert trail.stats().accepted == 0
    trail.event("child")
    trail._outbox._leave()
    assert [each.action for each in sink.records] == ["parent", "child"]
    assert trail.stats().sinks[0].delivered == 3


def test_a_loss_found_at_the_very_end_reaches_every_sink() -> None:
    """The last batch of one sink may leave something to declare when the others are ready to go."""
    late = Stubborn()
    ready, last = Faulty(name="ready"), Faulty(late, name="last")
    trail = AuditTrail(ready, last, delivery=FAST)
    trail.event("a")
    closing = threading.Thread(target=trail.close, args=(PATIENCE,))
    closing.start()
    ready.wait(lambda: "trail.close" in [each.action for each in ready.kept.everything])
    trail._losses.add("the record could not be made")
    late.released.set()
    closing.join()
    for sink in (ready, last):
        assert sink.kept.everything[-1].kind is Kind.LOSS


def test_a_sink_that_never_opened_is_not_closed() -> None:
    """It has nothing to let go of."""
    sink = Faulty()
    sink.opening = failing
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    trail.close(0.01)
    assert sink.closed == 0
    sink.opening = fine
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert sink.closed == 1
