"""`asgi-audit log`: the records that match, the newest first."""

import argparse
import asyncio
import sys

from asgi_audit.cli.database import Address, database_url, using
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.printing import printer_for
from asgi_audit.cli.selection import Selection, why_nothing
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import AuditStore

_CHUNK = 500  # so many rows decide together how wide the columns are


def run(arguments: argparse.Namespace) -> int:
    """List the records."""
    url = database_url(arguments.url)
    with using(url):
        asyncio.run(_log(url, arguments))
    return Exit.OK


async def _log(url: Address, arguments: argparse.Namespace) -> None:
    selection = Selection(arguments)
    chunk: list[Record] = []
    found = False
    async with AuditStore(url) as store:
        printer = printer_for(arguments)
        records = selection.records(store, selection.query(), arguments.limit, oldest_first=arguments.oldest_first)
        async for record in records:
            found = True
            chunk.append(record)
            if len(chunk) == _CHUNK:
                printer.print(chunk)
                chunk.clear()
        if chunk:
            printer.print(chunk)
        if not found:
            print(await why_nothing(store), file=sys.stderr)
