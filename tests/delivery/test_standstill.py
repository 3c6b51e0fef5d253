"""Closing a trail where its own thread closes it already."""

from asgi_audit import AuditTrail
from asgi_audit.testing import MemorySink
from tests.delivery.faulty import FAST, PATIENCE


def test_a_signal_handler_may_close_what_its_thread_closes() -> None:
    """It returns at once, and leaves the rest to the closing that it has interrupted."""
    sink = MemorySink()
    trail = AuditTrail(sink, delivery=FAST)
    trail.event("a")
    with trail._outbox._closing:
        trail.close(PATIENCE)
    assert trail._outbox._worker is not None
    trail.close(PATIENCE)
    assert [each.action for each in sink.everything] == ["trail.open", "a", "trail.close"]
