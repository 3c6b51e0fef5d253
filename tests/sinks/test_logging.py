import json
import logging
import threading

import msgspec
import pytest

from asgi_audit import AuditTrail, LoggingSink
from asgi_audit.record import Kind, Outcome, decode
from asgi_audit.sinks.logging import level_of
from tests.delivery.faulty import FAST, IMPATIENT, PATIENCE
from tests.samples import record, records

LEVELS = {
    Outcome.SUCCESS: logging.INFO,
    Outcome.DENIED: logging.WARNING,
    Outcome.FAILED: logging.WARNING,
    Outcome.DISCONNECTED: logging.WARNING,
    Outcome.CANCELLED: logging.WARNING,
    Outcome.NO_RESPONSE: logging.ERROR,
    Outcome.ERROR: logging.ERROR,
    Outcome.REFUSED: logging.ERROR,
    Outcome.INTERRUPTED: logging.ERROR,
}


@pytest.mark.parametrize("outcome", Outcome)
def test_the_outcome_is_the_level(outcome: Outcome) -> None:
    """INFO for what went well, WARNING for what was turned down, ERROR for what broke off."""
    assert level_of(record(outcome=outcome)) == LEVELS[outcome]


def test_what_the_trail_says_has_a_level() -> None:
    """A loss is an error; opening and closing are not."""
    assert level_of(record(kind=Kind.LOSS, outcome=None)) == logging.ERROR
    assert level_of(record(kind=Kind.OPEN, outcome=None)) == logging.INFO


@pytest.mark.asyncio
async def test_a_record_is_one_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stands in it; structured handlers find the same as `record.audit`."""
    each = record(reason="a\nb", data={"a": [1, "%s"]})
    sink = LoggingSink()
    with caplog.at_level(logging.INFO, "asgi_audit.records"):
        await sink.open()
        await sink.write([each])
        await sink.write([])
        await sink.close()
    (logged,) = caplog.records
    message = logged.getMessage()
    assert "\n" not in message
    assert decode(message) == each
    assert getattr(logged, "audit", None) == msgspec.to_builtins(each)
    assert json.dumps(getattr(logged, "audit", None), sort_keys=True)
    assert repr(sink) == "LoggingSink('asgi_audit.records')"


@pytest.mark.asyncio
async def test_a_level_that_is_off_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Any logger may be given; the application decides what it keeps."""
    logger = logging.getLogger("tests.audit")
    sink = LoggingSink(logger)
    assert sink.name == "logging:tests.audit"
    with caplog.at_level(logging.WARNING, "tests.audit"):
        await sink.open()
        await sink.write([*records(1), record(outcome=Outcome.DENIED)])
        await sink.close()
    assert [logged.levelname for logged in caplog.records] == ["WARNING"]


def test_a_handler_that_raises_or_blocks_is_the_sinks_own_problem() -> None:
    """A handler that raises is a failed attempt; one that blocks delays nobody but this sink."""
    raised, blocked, release = threading.Event(), threading.Event(), threading.Event()
    kept: list[str] = []

    class Handler(logging.Handler):
        def emit(self, logged: logging.LogRecord) -> None:
            if not raised.is_set():
                raised.set()
                raise OSError("disk full")
            blocked.set()
            release.wait(PATIENCE)
            kept.append(decode(logged.getMessage()).action)

    logger = logging.Logger("tests.broken")  # noqa: LOG001 - none of the shared ones
    logger.addHandler(Handler())
    others: list[str] = []
    trail = AuditTrail(
        lambda batch: others.extend(each.action for each in batch), LoggingSink(logger), delivery=IMPATIENT
    )
    trail.event("a")
    assert blocked.wait(PATIENCE)
    assert trail.stats().sinks[1].failed_attempts >= 1
    release.set()
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert kept == others == ["trail.open", "a", "trail.close"]


def test_our_own_log_lines_make_no_records() -> None:
    """A handler that writes to the trail would feed on itself: its records are left out, and counted."""

    class Handler(logging.Handler):
        def emit(self, logged: logging.LogRecord) -> None:
            trail.event("fed")

    logger = logging.Logger("tests.recursive")  # noqa: LOG001 - none of the shared ones
    logger.addHandler(Handler())
    trail = AuditTrail(LoggingSink(logger), delivery=FAST)
    trail.event("a")
    trail.flush(PATIENCE)
    trail.close(PATIENCE)
    assert trail.stats().accepted == 3
    assert trail.stats().failures["a sink's own work made a record, which was left out"] == 3
