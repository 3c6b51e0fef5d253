"""Which records a command is about: the filters on its command line, as the store takes them."""

import argparse
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Final

from asgi_audit.cli import cells
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.moments import parse_moment
from asgi_audit.record import APPLICATION_KINDS, Kind, Record
from asgi_audit.store import Query, Store

_TEXTS: Final = (
    *("actor", "actor_type", "action", "target", "target_type", "outcome", "tenant"),
    *("method", "path", "route", "request_id", "ip", "kind"),
)
_RANGE: Final = re.compile(r"(\d{3})-(\d{3})")


def zone_of(arguments: argparse.Namespace) -> tzinfo | None:
    """The zone in which times are read and shown; None is the machine's own."""
    return None if arguments.local else UTC


class Selection:
    """The records that match the command line. The trail's own do only if they were asked for, or declare a loss."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._own = arguments.own or arguments.kind is not None
        self._query = Query(
            status=_status(arguments.status),
            since=_moment(arguments, "since"),
            until=_moment(arguments, "until"),
            **{name: getattr(arguments, name) for name in _TEXTS},
        )

    @property
    def asked(self) -> Query:
        """The filters as they were given."""
        return self._query

    def matches(self, record: Record) -> bool:
        """Whether a record that passed the query is to be shown."""
        return self._own or record.kind in APPLICATION_KINDS or record.kind is Kind.LOSS

    def query(self, *, since: datetime | None = None, until: datetime | None = None) -> Query | None:
        """The filters, with the times narrowed further; None if that leaves no time at all."""
        begin, end = self._query.between
        begin = max(filter(None, (begin, since)), default=None)
        end = min(filter(None, (end, until)), default=None)
        if begin is not None and end is not None and begin > end:
            return None
        return replace(self._query, since=begin, until=end)

    async def records(
        self, store: Store, query: Query | None, limit: int | None = None, *, oldest_first: bool = False
    ) -> AsyncIterator[Record]:
        """At most `limit` records that match the query and are to be shown, the newest first."""
        left = limit
        if query is None or left == 0:
            return
        async for record in store.query(query, oldest_first=oldest_first):
            if self.matches(record):
                yield record
                left = None if left is None else left - 1
                if left == 0:
                    return


async def why_nothing(store: Store) -> str:
    """What to say when no record matches."""
    async for record in store.query():
        if record.kind in APPLICATION_KINDS:
            newest = cells.moment(record.time)
            return f"No records match; the newest of all is of {newest} UTC. Fewer filters show more."
    return "No records match: the application has left none yet (--own shows what the trail says of itself)."


def _status(text: str | None) -> str | tuple[int, int] | None:
    """A range as the store takes it; what is none, the store judges."""
    found = _RANGE.fullmatch(text or "")
    return (int(found[1]), int(found[2])) if found else text


def _moment(arguments: argparse.Namespace, name: str) -> datetime | None:
    text = getattr(arguments, name)
    if text is None:
        return None
    try:
        return parse_moment(text, now=datetime.now(UTC), zone=zone_of(arguments))
    except ValueError as error:
        raise CommandFailed(f"--{name}: {error}", Exit.USAGE) from None
