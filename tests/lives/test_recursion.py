"""What the trail does for its own sake makes no records: not its log lines, not a sink's own work."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest

from asgi_audit import AuditMiddleware, AuditTrail, LoggingSink, Record
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.testing import FailingSink, MemorySink

LEFT_OUT = "a sink's own work made a record, which was left out"


class Recording(logging.Handler):
    """Makes an event of each log line, as an application may wish that audits its warnings."""

    def __init__(self, trail: AuditTrail) -> None:
        super().__init__()
        self.trail = trail
        self.lines = 0
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        self.trail.event("log.line")
        self.heard.set()


@pytest.fixture
def sink() -> MemorySink:
    """What should have only the application's own records."""
    return MemorySink()


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Our logger, without the handlers that a test has added."""
    logger = logging.getLogger("asgi_audit")
    handlers = list(logger.handlers)
    yield logger
    logger.handlers[:] = handlers


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers everything."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})


async def ask(app: ASGIApp) -> None:
    """Ask an application in this process."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client:
        assert (await client.post("/")).status_code == 200


def test_log_lines_of_a_failing_sink_make_no_records(sink: MemorySink, logger: logging.Logger) -> None:
    """They are written by what delivers: a record of each would fail, and be logged, for ever."""
    failing = FailingSink()
    trail = AuditTrail(sink, failing)
    handler = Recording(trail)
    logger.addHandler(handler)
    trail.event("one")
    assert handler.heard.wait(20)
    failing.error = None
    trail.close()
    assert [record.action for record in sink.records] == ["one"]
    assert trail.stats().failures[LEFT_OUT] >= 1


def test_log_lines_of_a_failing_trail_come_to_an_end(sink: MemorySink, logger: logging.Logger) -> None:
    """A line that the application's own thread causes may be recorded, once."""
    trail = AuditTrail(sink)
    handler = Recording(trail)
    logger.addHandler(handler)
    trail.note("something is wrong")
    trail.note("something is wrong")
    trail.close()
    assert [record.action for record in sink.records] == ["log.line"]
    assert handler.lines == 1


def test_records_as_log_lines_make_no_records(sink: MemorySink, logger: logging.Logger) -> None:
    """The lines of `LoggingSink` reach handlers of the parent logger, too."""
    records = logging.getLogger("asgi_audit.records")
    trail = AuditTrail(sink, LoggingSink())
    handler = Recording(trail)
    logger.addHandler(handler)
    level = records.level
    records.setLevel(logging.INFO)
    try:
        trail.event("one")
        trail.close()
    finally:
        records.setLevel(level)
    assert [record.action for record in sink.records] == ["one"]
    assert handler.lines >= 3
    assert trail.stats().failures[LEFT_OUT] >= 3


def test_a_sinks_own_work_makes_no_records(sink: MemorySink) -> None:
    """It may call the trail, and ask the application whose records it stores; on the loop and in its thread alike."""
    calls: list[str] = []

    async def on_loop(records: Sequence[Record]) -> None:
        calls.append("loop")
        trail.event("sink.write")
        await ask(app)
        await asyncio.create_task(ask(app))

    def in_thread(records: Sequence[Record]) -> None:
        calls.append("thread")
        trail.event("sink.write")
        asyncio.run(ask(app))

    trail = AuditTrail(sink, on_loop, in_thread)
    app = AuditMiddleware(answer, trail)
    asyncio.run(ask(app))
    trail.close()
    assert [record.action for record in sink.records] == ["POST"]
    assert {"loop", "thread"} == set(calls)
    assert trail.stats().failures[LEFT_OUT] == sum({"loop": 3, "thread": 2}[call] for call in calls)
    assert f"{LEFT_OUT}: {trail.stats().failures[LEFT_OUT]}" in trail.health().problems
