"""A value as it is now: the record is made later, when the application may have changed what is in it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from datetime import date, datetime, time
from enum import Enum
from itertools import islice
from typing import Any, Final

COMPUTED: Final = "[set by the database]"  # nobody has asked the database for it
EXCLUDED: Final = "[excluded]"  # by __audit_exclude__

_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_OF_EXPRESSIONS: Final = ("__clause_element__", "self_group", "resolve_expression")  # SQLAlchemy's, Django's
_MOST: Final = 2048  # items of one collection: what the redactor keeps
_DEEPEST: Final = 32


def snapshot(value: Any, depth: int = 0) -> Any:
    """The value, with copies of what can change in place; of bytes only how many there are."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"[{memoryview(value).nbytes} bytes]"
    if any(hasattr(value, name) for name in _OF_EXPRESSIONS):
        return COMPUTED
    if isinstance(value, str | Enum) or depth >= _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return {key: snapshot(each, depth + 1) for key, each in islice(value.items(), _MOST)}
    if isinstance(value, Sequence | Set):
        return [snapshot(each, depth + 1) for each in islice(value, _MOST)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: snapshot(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value)}
    return value


def key_text(parts: Sequence[Any]) -> str | None:
    """A primary key as text: of one column its value, of several a JSON array."""
    if len(parts) == 1:
        return None if parts[0] is None else _text(parts[0])
    return json.dumps([part if type(part) in _PLAIN else _text(part) for part in parts], ensure_ascii=False)


def _text(part: Any) -> str:
    part = part.value if isinstance(part, Enum) else part
    if isinstance(part, date | datetime | time):
        return part.isoformat()
    if isinstance(part, bytes | bytearray | memoryview):
        return bytes(part).hex()  # unlike a value it has to name the row
    return str(part)
