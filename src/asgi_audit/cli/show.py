"""`asgi-audit show`: one record with everything it holds."""

import argparse
import asyncio
import re

from asgi_audit.cli.card import print_card
from asgi_audit.cli.database import Address, database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.output import standard_output
from asgi_audit.cli.selection import zone_of
from asgi_audit.record import Record, encode
from asgi_audit.sqlalchemy import AuditStore

_HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_LEAST = 8  # characters of an id; they stand for a minute


def run(arguments: argparse.Namespace) -> int:
    """Print the record."""
    url = database_url(arguments.url)
    beginning = arguments.id.lower()
    # Dashes stand where they stand in every id, hex digits elsewhere.
    if len(beginning) < _LEAST or re.sub("[0-9a-f]", "f", beginning) != _HIGHEST[: len(beginning)]:
        raise CommandFailed(f"{arguments.id!r} is no record id, nor 8 or more characters of one", Exit.USAGE)
    with using(url):
        found = asyncio.run(_find(url, beginning))
    if not found:
        raise CommandFailed(f"no record's id begins with {beginning}; `asgi-audit log` lists ids", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(record.id for record in found)
        raise CommandFailed(f"several ids begin with {beginning}, give more of one: {ids}", Exit.USAGE)
    if arguments.form == "json":
        print(encode(found[0]).decode())
    else:
        print_card(found[0], standard_output(), zone_of(arguments))
    return Exit.OK


async def _find(url: Address, beginning: str) -> list[Record]:
    """The records whose id begins so, a few at most: ids are ordered, so those stand side by side."""
    async with AuditStore(url) as store:
        if len(beginning) == len(_HIGHEST):
            record = await store.get(beginning)
            return [] if record is None else [record]
        page = await store.page(size=4, older_than=beginning + _HIGHEST[len(beginning) :])
    return [record for record in page.records if record.id.startswith(beginning)]
