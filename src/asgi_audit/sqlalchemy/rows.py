"""A record as one row of `audit_records`."""

import os
from typing import Any, TypeAlias

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity import leaf
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.projection import project
from asgi_audit.record import Record
from asgi_audit.verification.evidence import LARGEST

#: Values in the order of `schema.COLUMNS`; a list, because each database has its own form of the first three.
Row: TypeAlias = list[Any]
ID, TIME, PARENT = range(3)

_LARGEST = 2**63 - 1
_LARGEST_RECORD = LARGEST // 2  # its columns may repeat it
_SALT_DIGITS = 3 * leaf.SALT_DIGITS


def build(record: Record, key: MacKey | None = None) -> Row:
    """The row of a record, with a MAC if there is a key; `RecordRejected` if it cannot be one."""
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
        core = leaf.core(record, leaf.commit(salt, actor_part, target_part, detail_part), key)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # The message may quote a value, the type does not.
        raise RecordRejected(f"the record has no JSON form: {type(error).__name__}") from None
    if len(core) + len(actor_part) + len(target_part) + len(detail_part) > _LARGEST_RECORD:
        raise RecordRejected(f"the record is larger than {_LARGEST_RECORD} bytes, and no verifier would read it")
    if len(salts) != _SALT_DIGITS:
        raise RecordRejected(f"salts must be {_SALT_DIGITS} hex digits")
    return [
        *project(record),
        core.decode(),
        actor_part.decode(),
        target_part.decode(),
        detail_part.decode(),
        salts[:32],
        salts[32:64],
        salts[64:],
    ]
