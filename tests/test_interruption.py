"""A signal handler or the garbage collector may record in the middle of recording."""

import logging
import os
import threading
from itertools import count
from types import ModuleType

import pytest

from asgi_audit import AuditTrail, ids, interruption
from asgi_audit.delivery import losses, outbox
from asgi_audit.delivery.losses import Losses
from asgi_audit.errors import JournalFull
from asgi_audit.failures import Failures
from asgi_audit.ids import IdSource, Randomness
from asgi_audit.interruption import Step
from asgi_audit.journal import MemoryJournal, memory
from asgi_audit.record import Kind, Record
from asgi_audit.testing import MemorySink
from tests.contracts.journal_contract import Listening, drain
from tests.delivery.faulty import FAST, PATIENCE
from tests.interrupted import interrupt
from tests.samples import records


def test_no_random_byte_is_handed_out_twice() -> None:
    """Wherever the one who takes them is interrupted by another, also while new ones are fetched."""
    for used in (0, 1):
        for bytecode in count():
            random = Randomness()
            taken = [random.take() for _ in range(used)]
            more = interrupt(lambda: taken.append(random.take()), ids, bytecode, lambda: taken.append(random.take()))  # noqa: B023
            taken.append(random.take())
            assert len(set(taken)) == len(taken) == used + 2 + more
            if not more:
                break


def test_ids_made_in_the_middle_of_making_one_are_ids() -> None:
    """All different, and nobody waits for himself."""
    for bytecode in count():
        source = IdSource()
        made: list[str] = []
        if not interrupt(lambda: made.append(source.new_id()), ids, bytecode, lambda: made.append(source.new_id())):  # noqa: B023
            break
        assert len(set(made)) == 2


@pytest.mark.parametrize("module", [memory, interruption])
def test_a_journal_that_is_interrupted_by_an_append_counts_right(module: ModuleType) -> None:
    """Each record has its number, and when all is delivered no byte is left, whatever was interrupted."""
    for bytecode in count():
        journal = MemoryJournal(max_bytes=16 * 2**10)
        journal.attach(["primary", "behind"], Listening())
        behind, held, final, late, last = records(5)
        journal.append(behind)
        journal.acknowledge("primary", 1)
        journal.hold(held)

        def work() -> None:
            journal.append(final)  # noqa: B023
            journal.append(held)  # noqa: B023
            journal.progress("behind")  # noqa: B023
            journal.acknowledge("behind", 1)  # noqa: B023

        more = interrupt(work, module, bytecode, lambda: journal.append(late))  # noqa: B023
        journal.append(last)
        read = journal.read("primary", 9).records
        assert {each.id for each in read} == {held.id, final.id, last.id} | ({late.id} if more else set())
        assert [each.seq for each in read] == list(range(1, len(read) + 1))
        drain(journal, "primary")
        drain(journal, "behind")
        assert journal._bytes == 0
        if not more:
            break


def test_what_interrupts_a_full_journal_is_taken() -> None:
    """Nobody is there any more whom `JournalFull` could tell."""
    journal = MemoryJournal(max_bytes=16 * 2**10)
    journal.attach(["only"], Listening())
    late = records(1)[0]
    with pytest.raises(JournalFull):
        list(map(journal.append, records(200)))
    before = journal.progress("only").position
    with journal._lock, journal._step:
        journal.append(late)
        assert journal.progress("only").position == before
    assert drain(journal, "only")[-1].id == late.id
    assert journal._bytes == 0


@pytest.mark.parametrize("module", [losses, interruption])
def test_losses_that_interrupt_losses_are_all_counted(module: ModuleType) -> None:
    """In both counts, and handed out for declaration once."""
    for bytecode in count():
        lost = Losses()
        lost.add("a")

        def work() -> None:
            lost.add("a")  # noqa: B023
            taken = lost.take()  # noqa: B023
            for loss, number in taken.items():
                lost.give_back(loss, number)  # noqa: B023
            lost.total()  # noqa: B023

        more = interrupt(work, module, bytecode, lambda: lost.add("a"))  # noqa: B023
        assert lost.total() == lost.undeclared() == sum(lost.take().values()) == 2 + more
        if not more:
            break


def test_random_bytes_may_be_taken_while_they_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call into the kernel is where a signal most likely comes."""
    random, kernel, taken = Randomness(), os.urandom, list[tuple[bytes, bytes]]()

    def urandom(size: int) -> bytes:
        monkeypatch.setattr(os, "urandom", kernel)
        taken.append(random.take())
        return kernel(size)

    monkeypatch.setattr(os, "urandom", urandom)
    taken.append(random.take())
    assert taken[0] != taken[1]


def test_a_loss_in_the_middle_of_another_counts_at_its_end() -> None:
    """Nobody waits for himself."""
    lost = Losses()
    with lost._lock, lost._step:
        lost.add("a")
    assert lost.total() == lost.undeclared() == 1


def test_a_record_in_the_middle_of_opening_is_delivered() -> None:
    """By the thread that is being started."""

    class Interrupted(MemoryJournal):
        def append(self, record: Record, intent: str | None = None) -> None:
            super().append(record, intent)
            if record.kind is Kind.OPEN:
                trail.event("late")

    sink = MemorySink()
    trail = AuditTrail(sink, journal=Interrupted(), delivery=FAST)
    trail.open()
    trail.close(PATIENCE)
    assert [each.action for each in sink.everything] == ["trail.open", "late", "trail.close"]


def test_what_is_put_off_while_the_rest_is_made_up_for_is_done_too() -> None:
    """In order, and before the step is over."""
    lock = threading.RLock()
    step, done = Step(lock), list[str]()

    def first() -> None:
        assert step.interrupted
        step.put_off(lambda: done.append("second"))
        done.append("first")

    def work() -> None:
        step.put_off(first)
        assert done == []

    step.run(work)
    assert done == ["first", "second"]
    assert not step.interrupted


def test_a_step_that_an_exception_has_left_standing_is_not_stood_in() -> None:
    """As when a signal handler raises before a step's end was noted: the next one is the outermost again."""
    lock = threading.RLock()
    step, done = Step(lock), list[str]()
    step.__enter__()
    assert not step.interrupted
    step.run(lambda: step.put_off(lambda: done.append("at its end")))
    assert done == ["at its end"]


def test_a_failure_may_be_noted_while_one_is() -> None:
    """By a signal handler, say."""
    failures = Failures()
    with failures._lock:
        failures.note("a")
    assert failures.counts() == {"a": 1}


def test_a_trail_that_is_opened_while_it_opens_has_one_thread() -> None:
    """Two would call one sink at a time."""
    for bytecode in count(0, 7):
        sink = MemorySink()
        trail = AuditTrail(sink, delivery=FAST)
        before = {each for each in threading.enumerate() if each.name == "asgi-audit"}
        more = interrupt(trail.open, outbox, bytecode, lambda: trail.event("late"))  # noqa: B023
        threads = {each for each in threading.enumerate() if each.name == "asgi-audit"} - before
        trail.close(PATIENCE)
        assert len(threads) == 1
        assert sorted(each.action for each in sink.everything) == ["late"] * more + ["trail.close", "trail.open"]
        if not more:
            break


@pytest.mark.parametrize("opened", [True, False])
def test_a_log_handler_may_record_what_it_is_told(monkeypatch: pytest.MonkeyPatch, opened: bool) -> None:
    """Even that the thread can't be started, or the journal fails; it is told when no lock is held any more."""
    free: list[bool] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other = threading.Thread(target=try_lock)
            start(other)
            other.join()
            trail.event("log.warning")

    def try_lock() -> None:
        free.append(trail._outbox._lock.acquire(blocking=False))
        if free[-1]:
            trail._outbox._lock.release()

    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "asgi-audit":
            raise RuntimeError("can't start new thread")
        start(thread)

    class Failing(MemoryJournal):
        def append(self, record: Record, intent: str | None = None) -> None:
            raise OSError

    trail = AuditTrail(MemorySink(), journal=Failing(), delivery=FAST)
    if opened:
        trail.open()
        trail._outbox._mishaps.failures._logged.clear()
    else:
        monkeypatch.setattr(threading.Thread, "start", refuse)
    handler = Handler()
    logging.getLogger("asgi_audit").addHandler(handler)
    try:
        (trail.close if opened else trail.open)()
    finally:
        logging.getLogger("asgi_audit").removeHandler(handler)
    monkeypatch.undo()
    trail.close(PATIENCE)
    assert free
    assert all(free)
