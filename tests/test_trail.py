"""What users hold: opening, flushing, closing, events, counts, and the errors of construction."""

import asyncio
import threading
from typing import Any

import pytest
import trio

from asgi_audit import Actor, AuditTrail, ConfigurationError, FlushTimeout, MemoryJournal, Outcome, Policy, Rule, Target
from asgi_audit.context import acting_as, outside
from asgi_audit.record import Kind
from asgi_audit.rule import Level
from asgi_audit.testing import FailingSink, MemorySink
from tests.delivery.faulty import FAST, PATIENCE

REQUIRED = Rule(Level.METADATA, paths=["/pay"], required=True)


async def identify(scope: object) -> None:
    """Something that would have to be awaited."""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"policy": "everything"}, r"policy='everything': give a Policy, as in policy=Policy\("),
        ({"identify": 42}, "identify=42: give a plain function of the scope"),
        ({"identify": identify}, "identify=.*: give a plain function of the scope; it can't be awaited"),
        ({"journal": MemoryJournal}, "journal=.*: give a directory, as in journal="),
        ({"journal": []}, r"journal=\[\]: give a directory, as in"),
        ({"trusted_proxies": "10.0.0.1"}, "proxies='10.0.0.1'"),
        (
            {"policy": Policy([REQUIRED]), "journal": None},
            "policy=.*: .* this journal does not outlive the process; give a dir",
        ),
        ({"redact": ["iban"]}, r"redact=\['iban'\]: give a Redactor, as in redact=Redactor\("),
        ({"delivery": {"linger": 1}}, r"delivery=.*: give a Delivery, as in delivery=Delivery\("),
        ({"service": 42}, "service=42: give a name, as in service="),
    ],
)
def test_an_argument_that_cannot_work_is_refused(arguments: dict[str, Any], said: str) -> None:
    """At construction, naming the argument, its value and what to write instead."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        AuditTrail(MemorySink(), **arguments)
    assert caught.value.remedy


def test_a_journal_serves_one_trail() -> None:
    """Two trails would take each other's records."""
    journal = MemoryJournal()
    AuditTrail(MemorySink(), journal=journal)
    with pytest.raises(ConfigurationError, match="serves one trail"):
        AuditTrail(MemorySink(), journal=journal)


def test_a_script_uses_with() -> None:
    """At the end of the block everything is delivered, also after an exception, which passes."""
    sink = MemorySink()

    def script() -> None:
        with AuditTrail(sink) as trail:
            trail.event("a")
            raise KeyError

    with pytest.raises(KeyError):
        script()
    assert [each.action for each in sink.everything] == ["trail.open", "a", "trail.close"]


def test_async_with_works_under_asyncio_and_trio() -> None:
    """And blocks neither's loop while it waits."""
    sink = MemorySink()

    async def work() -> None:
        async with AuditTrail(sink) as trail:
            trail.event("a")
            await trail.aflush()
            trail.event("b")

    asyncio.run(work())
    trio.run(work)
    assert [each.action for each in sink.records] == ["a", "b", "a", "b"]


def test_one_trail_serves_many_loops_and_threads() -> None:
    """One thread delivers what comes from anywhere, in this loop and the next."""
    sink = MemorySink()
    with AuditTrail(sink, delivery=FAST) as trail:

        async def work(name: str) -> None:
            trail.event(name)
            await trail.aflush(PATIENCE)

        for number in range(3):
            asyncio.run(work(f"loop {number}"))
        trio.run(work, "trio")
        thread = threading.Thread(target=trail.event, args=("thread",))
        thread.start()
        thread.join()
    assert [each.action for each in sink.records] == ["loop 0", "loop 1", "loop 2", "trio", "thread"]


def test_a_flush_that_comes_to_nothing_says_what_is_pending() -> None:
    """A drain, which a shutdown uses, says it to the log instead."""
    sink = FailingSink()
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    with pytest.raises(FlushTimeout, match=r"after 0.01 s there are records pending: 2 for failing") as caught:
        trail.flush(0.01)
    assert caught.value.pending == {"failing": 2}
    with pytest.raises(TimeoutError):
        asyncio.run(trail.aflush(0.01))
    asyncio.run(trail.drain(0.01))
    assert trail.stats().failures["shutting down before all was delivered"] == 1
    sink.error = None
    asyncio.run(trail.aclose(PATIENCE))
    assert [each.action for each in sink.kept.records] == ["a"]


def test_an_event_says_all_that_can_be_said() -> None:
    """Id first, the rest by keyword; its id comes back."""
    sink = MemorySink()
    with AuditTrail(sink, service="billing") as trail:
        event_id = trail.event(
            "invoice.approve",
            actor=Actor("42"),
            target=[Target("2026-117", type="invoice")],
            reason="four eyes",
            tenant="acme",
            outcome="denied",
            data={"cents": 1999, "password": "hunter2"},
        )
        trail.event("job.run", actor="nightly")
        with acting_as("importer", type="job"):
            trail.event("row.import")
    first, second, third = sink.records
    assert (first.id, first.kind, first.action) == (event_id, Kind.EVENT, "invoice.approve")
    assert first.actor == Actor("42", source="event")
    assert first.targets == [Target("2026-117", type="invoice")]
    assert (first.reason, first.tenant, first.outcome) == ("four eyes", "acme", Outcome.DENIED)
    assert (first.data or {})["cents"] == 1999
    assert "hunter2" not in str(first)
    assert first.service == "billing"
    assert second.actor == Actor("nightly", source="event")
    assert second.outcome is Outcome.SUCCESS
    assert third.actor == Actor("importer", type="job", source="acting_as")


@pytest.mark.parametrize(
    "odd",
    [
        *({"target": 5}, {"target": ["x"]}, {"data": [1]}, {"actor": object()}, {"outcome": "no such"}),
        *({"reason": object()}, {"tenant": 7}, {"data": {"a": object()}}),
    ],
)
def test_an_event_never_raises(odd: dict[str, Any]) -> None:
    """Whatever is given: it is recorded as far as it can be, or counted as lost."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        trail.event("a", **odd)
        trail.event("b")
    assert sink.records[-1].action == "b"
    assert len(sink.records) + trail.stats().sinks[0].lost == 2


def test_counts_and_health_of_a_trail() -> None:
    """By sink, from the outside."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        trail.event("a")
        trail.flush()
        stats = trail.stats()
        assert (stats.accepted, stats.undeclared, stats.failures) == (2, 0, outside.counts())
        assert [(each.name, each.delivered, each.pending) for each in stats.sinks] == [("memory", 2, 0)]
        assert len(stats.writer) == 32
        assert trail.health()
        trail.note("something")
        assert not trail.health()
        assert trail.health().status == "degraded"
