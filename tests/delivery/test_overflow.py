"""More records than there is room for."""

from asgi_audit import AuditTrail, MemoryJournal
from asgi_audit.record import Kind, Record
from tests.delivery.faulty import FAST, PATIENCE, Faulty, fine, hanging

SMALL = 2**15


def losses(sink: Faulty) -> list[Record]:
    """The loss records that a sink has got."""
    return [each for each in sink.kept.everything if each.kind is Kind.LOSS]


def lost(sink: Faulty, about: str | None = None) -> int:
    """How many records the loss records in a sink declare as lost, for one sink or for all."""
    said = [each.data or {} for each in losses(sink)]
    return sum(data["records"] for data in said if data.get("sink") == about)


def test_a_full_journal_refuses_records_and_says_so_later() -> None:
    """While the primary sink hangs, requests go on; the loss is declared as soon as there is room, and delivered."""
    sink = Faulty(hanging)
    trail = AuditTrail(sink, delivery=FAST, journal=MemoryJournal(max_bytes=SMALL))
    for number in range(300):
        trail.event(f"n{number}", reason="x" * 100)
    stats = trail.stats()
    assert stats.accepted == 301
    assert stats.undeclared == stats.sinks[0].lost > 0
    assert trail.health().problems.count(f"sink faulty: {stats.undeclared} lost") == 1
    sink.behave = fine
    trail.close(0.0)  # out of time: the call that hangs is cancelled, and the rest is kept
    trail.flush(PATIENCE)
    assert trail.stats().undeclared == 0
    counts = trail.stats().sinks[0]
    assert (counts.delivered, counts.lost) == (len(sink.kept.everything), lost(sink))
    assert counts.accepted == counts.delivered + counts.lost > 300
    assert [each.data for each in losses(sink)] == [{"records": lost(sink), "reason": "the journal was full"}]
    trail.close(PATIENCE)


def test_a_sink_too_far_behind_gives_up_its_oldest_records() -> None:
    """The primary sink gets everything; a loss record names the other one and counts what it will never get."""
    primary, slow = Faulty(name="primary"), Faulty(hanging, name="slow")
    trail = AuditTrail(primary, slow, delivery=FAST, journal=MemoryJournal(max_bytes=SMALL))
    for number in range(300):
        trail.event(f"n{number}", reason="x" * 100)
        if number % 20 == 0:
            primary.wait(lambda number=number: f"n{number}" in primary.actions)  # type: ignore[misc]
    primary.wait(lambda: lost(primary, "slow") > 0)
    slow.behave = fine
    trail.close(0.0)
    trail.flush(PATIENCE)
    assert primary.actions == [f"n{number}" for number in range(300)]
    assert trail.stats().sinks[0].lost == 0
    assert (
        trail.stats().sinks[1].lost
        == lost(primary, "slow")
        == 300 + len(losses(primary)) + 3 - len(slow.kept.everything)
    )
    trail.close(PATIENCE)


def test_a_loss_is_not_declared_for_ever() -> None:
    """The loss record itself takes room, but makes nobody lose more: when all is quiet, the trail is."""
    primary, slow = Faulty(name="primary"), Faulty(hanging, name="slow")
    trail = AuditTrail(primary, slow, delivery=FAST, journal=MemoryJournal(max_bytes=SMALL))
    for number in range(300):
        trail.event(f"n{number}", reason="x" * 100)
        if number % 20 == 0:
            primary.wait(lambda number=number: f"n{number}" in primary.actions)  # type: ignore[misc]
    primary.wait(lambda: lost(primary, "slow") > 0)
    trail.event("last")
    primary.wait(lambda: "last" in primary.actions)
    before = len(losses(primary))
    for number in range(10):
        trail.event("quiet")
        primary.wait(lambda number=number: primary.actions.count("quiet") > number)  # type: ignore[misc]
    assert len(losses(primary)) - before <= 1
    assert trail.stats().sinks[1].pending > 0
    trail.close(0.0)


def test_a_loss_without_any_record_after_it_is_declared_by_a_flush() -> None:
    """Nobody need wait for the next request to learn of it."""
    sink = Faulty()
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    trail.flush(PATIENCE)
    trail._losses.add("the record could not be made")
    assert trail.stats().undeclared == 1
    trail.flush(PATIENCE)
    assert trail.stats().undeclared == 0
    assert lost(sink) == 1
    trail._losses.add("the record could not be made")
    trail.close(PATIENCE)
    assert lost(sink) == 2
