"""`asgi-audit show`: one record with everything it holds."""

import argparse

from asgi_audit.cli.card import print_card
from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.lookup import find_one
from asgi_audit.cli.output import standard_output
from asgi_audit.cli.selection import zone_of
from asgi_audit.record import encode


def run(arguments: argparse.Namespace) -> int:
    """Print the record."""
    url = database_url(arguments.url)
    with using(url):
        record = find_one(url, arguments.id)
    if arguments.form == "json":
        print(encode(record).decode())
    else:
        print_card(record, standard_output(), zone_of(arguments))
    return Exit.OK
