"""`asgi-audit prove`: the proof of one record, on standard output."""

import argparse
import asyncio
import sys

from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.lookup import find_one
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.note import Note
from asgi_audit.sqlalchemy.proving import NoProof, prove


def run(arguments: argparse.Namespace) -> int:
    """Print the proof."""
    url = database_url(arguments.url)
    shown = [part for part in PARTS if part not in arguments.without]
    with using(url):
        record = find_one(url, arguments.id)
        try:
            proof = asyncio.run(prove(url, record.id, shown=shown))
        except NoProof as error:
            raise CommandFailed(str(error), Exit.NOT_FOUND) from None
    if not Note.parse(proof.checkpoint).signatures:
        print("The checkpoint is not signed: nobody else can check this proof.", file=sys.stderr)
    sys.stdout.buffer.write(proof.encode())  # whose encoding is not the terminal's
    return Exit.OK
