"""What an erase or a purge record gives leave to change.

Such a record names in its `data` what it is about; nothing else may be changed with it, and nothing without it. The
functions in a PostgreSQL database (`appendonly_postgres`) keep the same rules.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec

from asgi_audit.errors import AuditError
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.projection import OF_PARTS
from asgi_audit.record import APPLICATION_KINDS, Kind

#: What goes with a part: its text, its salt, and what is projected from it.
ERASABLE: Final = {part: (part, f"{part}_salt", *OF_PARTS[part]) for part in PARTS}
#: Kinds of which parts may be erased; what the trail says of itself names no person but who has erased or purged.
ERASABLE_KINDS: Final = tuple(sorted(APPLICATION_KINDS))
#: Kinds that are never purged: without them, what is missing would be unexplained.
KEPT_KINDS: Final = (Kind.ERASE, Kind.LOSS, Kind.PURGE)

_Index = Annotated[int, msgspec.Meta(ge=0)]
_Named = TypeVar("_Named")


class EntryError(AuditError, ValueError):
    """An erase or purge record that does not name what is to be changed, or is stored already; nothing was changed."""


class Erasure(msgspec.Struct, frozen=True):
    """The ids of records, and the parts that they lose."""

    records: list[str]
    parts: Annotated[list[Literal["actor", "target", "detail"]], msgspec.Meta(min_length=1)]


class Purge(msgspec.Struct, frozen=True):
    """Ranges of `audit_leaves.idx`: first, last, and the digest of their records' ids; older than `before`."""

    ranges: list[tuple[_Index, _Index, str]]
    before: str


class _Detail(msgspec.Struct, Generic[_Named], frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=1)]
    data: _Named


_decode_erasure = msgspec.json.Decoder(_Detail[Erasure]).decode
_decode_purge = msgspec.json.Decoder(_Detail[Purge]).decode


def erasure(entry: Mapping[str, Any]) -> Erasure:
    """What an erase record names; `EntryError` if it is none."""
    try:
        named = _decode_erasure(entry["detail"]).data
    except msgspec.MsgspecError as error:
        raise EntryError(f"not an erase record with a reason, records and parts: {error}") from None
    _require_kind(entry, Kind.ERASE)
    return named


def purge(entry: Mapping[str, Any]) -> Purge:
    """What a purge record names; `EntryError` if it is none."""
    try:
        named = _decode_purge(entry["detail"]).data
    except msgspec.MsgspecError as error:
        raise EntryError(f"not a purge record with a reason, ranges and before: {error}") from None
    _require_kind(entry, Kind.PURGE)
    if any(first > last for first, last, _ in named.ranges):
        raise EntryError("a range ends before it begins")
    return named


def _require_kind(entry: Mapping[str, Any], kind: Kind) -> None:
    if entry["kind"] != kind:
        raise EntryError(f"the record's kind is {entry['kind']!r}, not {kind.value!r}")
