"""The trace id out of a W3C `traceparent` header (Trace Context, section 3.2)."""

import re

# version "-" trace-id "-" parent-id "-" flags; version 00 ends there, later ones may go on; ff is invalid.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.DOTALL
)


def trace_id(traceparent: bytes) -> str | None:
    """The 32 hex digits of the trace id, or `None` if the header is not valid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or (match[3] is not None and match[1] == b"00"):
        return None
    return match[2].decode("ascii")
