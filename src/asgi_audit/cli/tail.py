"""`asgi-audit tail`: the last records, and those to come."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from asgi_audit.cli.database import Address, database_url, using
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.printing import printer_for
from asgi_audit.cli.selection import Selection, why_nothing
from asgi_audit.sqlalchemy import AuditStore
from asgi_audit.store import made_at

# Several workers store out of order: what was made so long before the newest record may still be on its way.
_LATE = timedelta(seconds=10)
_POLL = 0.5


def run(arguments: argparse.Namespace) -> int:
    """Print the last records, the newest last, and go on if that is wanted."""
    url = database_url(arguments.url)
    with using(url):
        asyncio.run(_tail(url, arguments))
    return Exit.OK


async def _tail(url: Address, arguments: argparse.Namespace) -> None:
    selection = Selection(arguments)
    async with AuditStore(url) as store:
        printer = printer_for(arguments)
        begin = await _begin(store)
        recent = [record async for record in selection.records(store, selection.query(since=begin))]
        last = recent[: arguments.lines]
        before = selection.records(store, selection.query(until=begin), arguments.lines - len(last))
        last += [record async for record in before]
        coming = selection.query(since=begin) if arguments.follow else None
        if last or coming is not None:
            printer.print(reversed(last))
        else:
            print(await why_nothing(store), file=sys.stderr)
        if coming is None:
            return
        known = {record.id for record in recent}
        async for record in store.follow(coming, poll=_POLL):
            if record.id not in known and selection.matches(record):
                printer.print([record])


async def _begin(store: AuditStore) -> datetime:
    """From when on to look for records that are new: by the clock of those who write, which need not be ours."""
    newest, _, _ = await store.page(size=1)
    return (datetime.fromtimestamp(made_at(newest[0].id) / 1_000_000, UTC) if newest else datetime.now(UTC)) - _LATE
