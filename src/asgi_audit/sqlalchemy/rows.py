"""A record as one row of `audit_records`."""

import os
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity import leaf
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.schema import NARROW, WIDE, clip

#: Values in the order of `schema.COLUMNS`; a list, because each database has its own form of the first three.
Row: TypeAlias = list[Any]
ID, TIME, PARENT = range(3)

_LARGEST = 2**63 - 1
_LARGEST_STATUS = 2**31 - 1
_SALT_DIGITS = 3 * leaf.SALT_DIGITS


def build(record: Record) -> Row:
    """The row of a record; `RecordRejected` if it cannot be one."""
    if record.writer is None or record.seq is None:
        raise RecordRejected("the record has no writer and seq: a journal gives them")
    if not (
        0 <= record.seq <= _LARGEST and 0 <= (record.duration_us or 0) <= _LARGEST and 0 <= (record.status or 0) < 2**31
    ):
        raise RecordRejected("a number does not fit its column")
    salts = record.salts or os.urandom(_SALT_DIGITS // 2).hex()
    try:
        salt = bytes.fromhex(salts)
        actor_part, target_part, detail_part = leaf.parts(record)
        core = leaf.core(record, leaf.commit(salt, actor_part, target_part, detail_part))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # The message may quote a value, the type does not.
        raise RecordRejected(f"the record has no JSON form: {type(error).__name__}") from None
    if len(salts) != _SALT_DIGITS:
        raise RecordRejected(f"salts must be {_SALT_DIGITS} hex digits")
    actor, source, request = record.actor, record.source, record.request
    target = record.targets[0] if record.targets else None
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
        None if request is None else request.path,
        None if request is None else request.id,
        None if request is None else request.trace_id,
        core.decode(),
        actor_part.decode(),
        target_part.decode(),
        detail_part.decode(),
        salts[:32],
        salts[32:64],
        salts[64:],
    ]


def utc_text(time: datetime) -> str:
    """RFC 3339 in UTC with microseconds, 27 characters that sort as the times do."""
    text: str = msgspec.to_builtins(time)
    if len(text) == 27:  # the usual case, several times faster than isoformat()
        return text
    return time.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"
