"""The W3C `traceparent` header: its trace id, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit.testing import MemorySink
from asgi_audit.trace import trace_id
from tests.asgi.conversation import Conversation, converse, http_scope, request, says, start

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
VALID = f"00-{TRACE}-00f067aa0ba902b7-01".encode()


@pytest.mark.parametrize(
    "header",
    [
        VALID,
        VALID.replace(b"00-", b"01-", 1),
        VALID.replace(b"00-", b"cc-", 1) + b"-what-comes-later",
        VALID[:-2] + b"fe",
    ],
    ids=["version 00", "later version", "later version with more", "unknown flags"],
)
def test_a_valid_header_gives_its_trace_id(header: bytes) -> None:
    """Later versions are read as far as version 00 goes, as the recommendation asks."""
    assert trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        b"",
        VALID + b"-more",  # version 00 ends after the flags
        VALID.replace(b"00-", b"ff-", 1),
        VALID.replace(TRACE.encode(), b"0" * 32),
        VALID.replace(b"00f067aa0ba902b7", b"0" * 16),
        VALID.upper(),
        VALID[:-1],
        VALID + b"\n",
        b" " + VALID,
        VALID.replace(b"00-", b"01-", 1) + b"more",
        VALID + b"," + VALID,
    ],
)
def test_an_invalid_header_gives_nothing(header: bytes) -> None:
    """A header that is not exactly as specified is ignored."""
    assert trace_id(header) is None


@given(st.binary(max_size=200))
def test_no_header_raises(header: bytes) -> None:
    """Whatever the bytes are, the answer is 32 hex digits or nothing."""
    found = trace_id(header)
    assert found is None or (len(found) == 32 and int(found, 16) > 0)


def test_the_trace_id_is_in_the_record() -> None:
    """A request within a trace can be found by it."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        scope = http_scope(headers=[(b"traceparent", VALID)])
        converse("asyncio", AuditMiddleware(says(start(204)), trail), scope, Conversation(*request()))
    assert [record.request and record.request.trace_id for record in sink.records] == [TRACE]
