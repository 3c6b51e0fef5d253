"""What is verified: a log as a database holds it, or as a bundle has carried it away. Nothing in it is trusted."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from asgi_audit.errors import AuditError

#: Bytes of a row's texts; a larger one is not read, so that a verifier's memory is bounded.
LARGEST: Final = 2**23

#: A row of `audit_records` by the names of its columns; the time is text (RFC 3339, UTC, microseconds).
Row: TypeAlias = Mapping[str, Any]


class TooLarge(NamedTuple):
    """A row of at least so many bytes, which no record of ours can be; it was not read."""

    bytes: int
    id: Any


class Leaf(NamedTuple):
    """A row of `audit_leaves`, with the record that it is about, if that is still there."""

    index: Any
    record_id: Any
    hash: Any
    row: Row | TooLarge | None


class Stored(NamedTuple):
    """A row of `audit_checkpoints`; the time in microseconds since 1970, None if it is none."""

    size: Any
    signers: Any
    note: Any
    peaks: Any
    time: int | None


class Unreadable(AuditError):  # noqa: N818 - named as what it is
    """The evidence is not in the form that it should have: a table is missing, or not ours, or cut off."""


class Evidence(Protocol):
    """A log, seen at one moment. Any iteration may raise `Unreadable`, with what is wrong in words.

    `name` is that of the sink that has stored it, without credentials; `size` about how many rows there are.
    """

    name: str
    size: int

    def checkpoints(self) -> AsyncIterator[Stored]:
        """All of them, the smallest tree first."""

    def authorities(self) -> AsyncIterator[Row | TooLarge]:
        """The rows that say of themselves that they are records of an erasure or a purge."""

    def leaves(self) -> AsyncIterator[Leaf]:
        """All of them, the lowest index first."""

    def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        """The rows that have no leaf."""
