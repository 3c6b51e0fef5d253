"""A trail in memory, and how to read it."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import pytest

from asgi_audit import AuditTrail, Record
from asgi_audit.testing import MemorySink

Recorded: TypeAlias = Callable[[], list[Record]]


@pytest.fixture
def sink() -> MemorySink:
    """Where the records of the application under test end up."""
    return MemorySink()


@pytest.fixture
def trail(sink: MemorySink) -> Iterator[AuditTrail]:
    """The trail of the application under test, with the default policy: mutations and websockets."""
    with AuditTrail(sink) as trail:
        yield trail


@pytest.fixture
def recorded(sink: MemorySink, trail: AuditTrail) -> Recorded:
    """A function that waits for what was recorded so far, and returns it."""

    def read() -> list[Record]:
        trail.flush()
        return sink.records

    return read
