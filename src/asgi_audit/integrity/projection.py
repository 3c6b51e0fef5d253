"""The columns that repeat what core and parts say, so that a database can filter by it.

They are no evidence: whoever verifies makes them again from the stored text, and compares. Columns that stand in an
index hold at most the characters that fit into one; of several targets the columns show the first.
"""

from collections.abc import Container
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from asgi_audit.record import Record

#: Both of an index's columns must fit into a third of a page of PostgreSQL (2,704 bytes) at four bytes a character.
WIDE: Final = 500
NARROW: Final = 120

#: The columns that stay for ever, as the core does.
OF_CORE: Final = (
    *("id", "time", "parent", "writer", "seq", "kind", "duration_us"),
    *("action", "outcome", "method", "route", "status", "service"),
)
#: The columns that go with the part that they are made from.
OF_PARTS: Final = {
    "actor": ("actor_id", "actor_type", "ip"),
    "target": ("target_type", "target_id", "tenant"),
    "detail": ("path", "request_id", "trace_id"),
}
PROJECTED: Final = (*OF_CORE, *OF_PARTS["actor"], *OF_PARTS["target"], *OF_PARTS["detail"])


def clip(text: str | None, width: int) -> str | None:
    """As much of the text as its column holds."""
    return text if text is None or len(text) <= width else text[:width]


def project(record: Record, erased: Container[str] = ()) -> list[Any]:
    """The values of the columns `PROJECTED`; those of an erased part are None."""
    actor, source, request = record.actor, record.source, record.request
    target = record.targets[0] if record.targets else None
    detailed = None if "detail" in erased else request
    return [
        record.id,
        record.time,
        record.parent,
        record.writer,
        record.seq,
        record.kind.value,
        record.duration_us,
        clip(record.action, WIDE),
        None if record.outcome is None else record.outcome.value,
        None if request is None else request.method,
        None if request is None else request.route,
        record.status,
        record.service,
        None if actor is None else clip(actor.id, WIDE),
        None if actor is None else clip(actor.type, NARROW),
        None if source is None else source.ip,
        None if target is None else clip(target.type, NARROW),
        None if target is None else clip(target.id, WIDE),
        record.tenant,
        None if detailed is None else detailed.path,
        None if detailed is None else detailed.id,
        None if detailed is None else detailed.trace_id,
    ]


def utc_text(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, 27 characters that sort as the times do."""
    text: str = msgspec.to_builtins(time)
    if len(text) == 27:  # the usual case, several times faster than isoformat()
        return text
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
