import gc
import threading
import tracemalloc

import pytest

from asgi_audit.errors import ConfigurationError
from asgi_audit.journal import MemoryJournal
from tests.contracts.journal_contract import JournalContract, Listening, MakeJournal, drain
from tests.samples import records


class TestMemoryJournal(JournalContract):
    @pytest.fixture
    def make(self) -> MakeJournal:
        return MemoryJournal


def test_it_says_that_it_does_not_last() -> None:
    """Rules that require a record before the request are refused with it."""
    assert MemoryJournal().durable is False


@pytest.mark.parametrize("size", [-1, 0, 1000])
def test_a_journal_without_room_is_refused(size: int) -> None:
    """The error names the argument, its value and the least that works."""
    with pytest.raises(ConfigurationError, match=f"max_bytes={size}: .* at least 16384") as caught:
        MemoryJournal(max_bytes=size)
    assert caught.value.argument == "max_bytes"


def test_a_child_need_not_wait_for_the_parents_lock() -> None:
    """A fork may come while another thread appends: what `renew` leaves is free."""
    journal = MemoryJournal()
    journal.attach(["only"], Listening())
    with journal._lock:
        renewed = threading.Thread(target=journal.renew)
        renewed.start()
        renewed.join(10)
        assert not renewed.is_alive()
    for each in records(3):
        journal.append(each)
    assert len(drain(journal, "only")) == 3


def test_a_pending_record_takes_its_bytes_and_little_more() -> None:
    """At most 800 bytes for a typical record of a request (DESIGN 6), and objects that cost the collector nothing."""
    journal = MemoryJournal()
    journal.attach(["only"], Listening())
    waiting = records(5000)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for each in waiting:
            journal.append(each)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used / 5000 <= 800


def test_nothing_is_remembered_of_a_promoted_record_once_its_final_one_came() -> None:
    """Else a process that closes and opens its trail again and again would grow."""
    journal = MemoryJournal()
    journal.attach(["only"], Listening())
    (each,) = records(1)
    journal.hold(each)
    journal.promote()
    journal.append(each)
    assert journal._promoted == set()
    assert len(drain(journal, "only")) == 1
