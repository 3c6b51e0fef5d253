"""`asgi-audit erase`: parts of records go; first it only says of how many."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from asgi_audit.cli.counting import some
from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.material import mac_key, reason_of
from asgi_audit.cli.lookup import find_one
from asgi_audit.cli.progress import ProgressBar
from asgi_audit.cli.selection import Selection
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.sqlalchemy.erasing import Eraser
from asgi_audit.store import Query


def run(arguments: argparse.Namespace) -> int:
    """Erase, or say what would be erased."""
    arguments.local = False
    url = database_url(arguments.url)
    query: Query | None = Selection(arguments).asked
    if query == Query():
        if not arguments.id:
            raise CommandFailed("which records? give --actor, another filter, or --id", Exit.USAGE)
        query = None
    parts = [part for part in PARTS if part in (arguments.part or ["actor"])]
    reason = reason_of(arguments) if arguments.yes else ""
    with using(url):
        eraser = Eraser(url, parts=parts, mac=mac_key(arguments))
        ids = [find_one(url, each).id for each in arguments.id]
        if not arguments.yes:
            count = asyncio.run(eraser.count(query, ids))
            print(f"Would erase {_named(parts)} of {some(count, 'record')} in {eraser.name}; --yes does it.")
            return Exit.OK
        progress = ProgressBar("erasing")
        try:
            erased = asyncio.run(eraser.erase(query, ids, reason=reason, progress=progress))
        finally:
            progress.close()
    print(f"Erased {_named(parts)} of {some(erased.records, 'record')}.")
    for entry in erased.entries:
        print(f"Recorded as {entry}.")
    print(
        "Not reached: what still waits in a journal (asgi-audit journal ls), rejected.jsonl, other sinks, backups. "
        "Run it again for records that arrive later.",
        file=sys.stderr,
    )
    return Exit.OK


def _named(parts: Sequence[str]) -> str:
    """`the part actor`, `the parts actor, target and detail`."""
    *others, last = parts
    return f"the parts {', '.join(others)} and {last}" if others else f"the part {last}"
