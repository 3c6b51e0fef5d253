"""For tests: a trail that shows at once what it has recorded, sinks, and a test for sinks."""

from asgi_audit.testing.conformance import check_sink
from asgi_audit.testing.expectation import Expected
from asgi_audit.testing.sinks import FailingSink, MemorySink
from asgi_audit.testing.trail import MemoryTrail

__all__ = [
    "Expected",
    "FailingSink",
    "MemorySink",
    "MemoryTrail",
    "check_sink",
]
