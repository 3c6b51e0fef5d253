"""Waiting for the journal's disk: counted, and bounded."""

import asyncio
import gc

import pytest

from asgi_audit import settling
from asgi_audit.failures import Failures
from asgi_audit.settling import Settling
from tests.durable import DurableJournal

LATE = "the journal was not on the disk within its deadline"


def test_a_disk_that_never_answers_keeps_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit nobody waits any more; once it has answered, everybody does again."""
    monkeypatch.setattr(settling, "_MOST_WAITING", 3)
    journal = DurableJournal(synchronous=True, deadline=0.001)
    journal.settling = False
    failures = Failures()
    waiting = Settling(journal, failures)

    async def several(count: int) -> list[bool]:
        return [await waiting.wait() for _ in range(count)]

    assert asyncio.run(several(5)) == [False] * 5
    assert (journal.waits, failures.counts()) == (3, {LATE: 5})
    journal.settle()
    gc.collect()
    journal.settling = True
    assert asyncio.run(several(5)) == [True] * 5
    assert failures.counts() == {LATE: 5}


def test_a_journal_that_settles_nothing_is_not_waited_for() -> None:
    """As one that leaves it to the system when the disk has what was written."""
    failures = Failures()
    assert asyncio.run(Settling(DurableJournal(), failures).wait())
    assert failures.counts() == {}


def test_a_deadline_that_has_passed_is_counted() -> None:
    """Each time."""
    journal = DurableJournal(synchronous=True, deadline=0.001)
    journal.settling = False
    failures = Failures()
    assert not asyncio.run(Settling(journal, failures).wait())
    assert failures.counts() == {LATE: 1}
