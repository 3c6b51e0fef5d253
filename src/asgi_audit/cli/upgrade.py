"""`asgi-audit upgrade`: the tables of a trail, in this version's form."""

import argparse
import asyncio

from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import Exit
from asgi_audit.sqlalchemy import upgrade_database


def run(arguments: argparse.Namespace) -> int:
    """Create or upgrade the tables, and say which it was."""
    url = database_url(arguments.url)
    with using(url):
        before, after = asyncio.run(upgrade_database(url, append_only=arguments.append_only))
    if before == after:
        print(f"The audit tables have version {after} already{'.' if arguments.append_only else ': nothing to do.'}")
    elif before == 0:
        print(f"Created the audit tables, version {after}.")
    else:
        print(f"Upgraded the audit tables from version {before} to {after}.")
    if arguments.append_only:
        print("They are append-only: only `asgi-audit erase` and `purge` change or delete rows.")
    return Exit.OK
