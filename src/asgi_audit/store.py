"""Asking for records: what may be asked, and how an answer is divided into pages."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple, Protocol, TypedDict, Unpack

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Kind, Outcome, Record

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS: Final = re.compile(r"([1-9])xx|([1-9]\d\d)", re.ASCII | re.IGNORECASE)

_LARGEST: Final = 2**31 - 1  # of the column's type


class Filters(TypedDict, total=False):
    """The keywords of `Query`, for functions that pass them on."""

    actor: str | None
    actor_type: str | None
    action: str | None
    target: str | None
    target_type: str | None
    outcome: str | None
    status: int | str | tuple[int, int] | None
    method: str | None
    route: str | None
    kind: str | None
    tenant: str | None
    ip: str | None
    request_id: str | None
    path: str | None
    since: datetime | date | str | None
    until: datetime | date | str | None


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which records: those that match every filter that is given.

    Texts are compared with what is stored, which is what a record shows. `actor` and `target` are ids (of several
    targets the first is meant); `path` is a part of the path, whatever its case. `status` is one status, a range from
    the lowest to the highest, or a class: `404`, `(400, 499)`, `"4xx"`. `since` is inclusive and `until` is not; both
    mean the time at which the record was made, may be ISO 8601 text, and are UTC unless they say otherwise; a date is
    its midnight.
    """

    actor: str | None = None
    actor_type: str | None = None
    action: str | None = None
    target: str | None = None
    target_type: str | None = None
    outcome: str | None = None
    status: int | str | tuple[int, int] | None = None
    method: str | None = None
    route: str | None = None
    kind: str | None = None
    tenant: str | None = None
    ip: str | None = None
    request_id: str | None = None
    path: str | None = None
    since: datetime | date | str | None = None
    until: datetime | date | str | None = None

    def __post_init__(self) -> None:
        for name in _TEXTS:
            value: object = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(name, value, "give a text")
            if value is not None and not _encodable(value):
                raise ConfigurationError(name, value, "no record has a lone surrogate; give a text that UTF-8 can hold")
        _choose("outcome", self.outcome, Outcome)
        _choose("kind", self.kind, Kind)
        since, until = self.between
        if since is not None and until is not None and since > until:
            raise ConfigurationError("since", self.since, f"it is later than until={self.until!r}")
        _ = self.statuses  # raises if they cannot be understood

    @property
    def statuses(self) -> tuple[int, int] | None:
        """The lowest and the highest status asked for."""
        status: Any = self.status
        if isinstance(status, str):
            match = _STATUS.fullmatch(status)
            if match is not None and match[1] is not None:
                return int(match[1]) * 100, int(match[1]) * 100 + 99
            if match is not None:
                return int(status), int(status)
        elif status is None:
            return None
        elif isinstance(status, int) and abs(status) <= _LARGEST:
            return status, status
        elif isinstance(status, tuple) and len(status) == 2:
            low, high = status
            if isinstance(low, int) and isinstance(high, int) and -_LARGEST <= low <= high <= _LARGEST:
                return low, high
        raise ConfigurationError("status", status, "give a status (404), a range (400, 499) or a class ('4xx')")

    @property
    def between(self) -> tuple[datetime | None, datetime | None]:
        """The times asked for, in UTC: from the first, inclusive, to the second, exclusive."""
        return _moment("since", self.since), _moment("until", self.until)

    @property
    def ids(self) -> tuple[str | None, str | None]:
        """The times as bounds of the ids: a UUIDv7 begins with the time at which it was made."""
        since, until = self.between
        return (
            None if since is None else first_id(_microseconds(since)),
            None if until is None else first_id(_microseconds(until)),
        )


_TEXTS: Final = tuple(
    field.name for field in fields(Query) if field.name not in {"outcome", "status", "kind", "since", "until"}
)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def first_id(microseconds: int) -> str:
    """The lowest id that can have been made at a POSIX time."""
    milliseconds, rest = divmod(max(0, microseconds), 1000)
    digits = f"{milliseconds << 12 | rest * 4096 // 1000:015x}"
    return f"{digits[:8]}-{digits[8:12]}-7{digits[12:]}-8000-000000000000"


def made_at(id: str) -> int:
    """The POSIX time at which an id was made: microseconds, exact to the millisecond."""
    return int(id[:8] + id[9:13], 16) * 1000


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _choose(name: str, value: str | None, choices: type[Outcome] | type[Kind]) -> None:
    if value is not None and value not in list(choices):
        raise ConfigurationError(name, value, "choose " + ", ".join(choices))


def _moment(name: str, value: datetime | date | str | None) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ConfigurationError(
                name, value, "write a date or time as 2026-11-23 or 2026-11-23T15:41:00Z"
            ) from None
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ConfigurationError(name, value, "give a datetime, a date or ISO 8601 text")


class Page(NamedTuple):
    """Records, newest first, and the ids from which its neighbours continue: `older_than=page.older`,
    `newer_than=page.newer`.

    None where there is no neighbour.
    """

    records: list[Record]
    older: str | None
    newer: str | None


class Store(Protocol):
    """A place that records can be read from."""

    def query(
        self,
        query: Query | None = None,
        *,
        limit: int | None = None,
        oldest_first: bool = False,
        **filters: Unpack[Filters],
    ) -> AsyncIterator[Record]:
        """The matching records, newest first; a stream that may be left at any time."""

    async def page(
        self,
        query: Query | None = None,
        *,
        size: int = 50,
        older_than: str | None = None,
        newer_than: str | None = None,
        **filters: Unpack[Filters],
    ) -> Page:
        """One page: the newest, or the one that follows an id in either direction."""

    async def get(self, id: str) -> Record | None:
        """The record with this id."""


def as_query(query: Query | None, filters: Any) -> Query:
    """A query given as one, or by its keywords."""
    if query is None:
        return Query(**filters)
    if filters:
        raise ConfigurationError("filters", filters, "give a Query or keywords, not both")
    return query
