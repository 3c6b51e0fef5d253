"""`asgi-audit purge`: old records go, if they are sealed and anchored; first it only says how many."""

import argparse
import asyncio
import sys
from datetime import UTC

from asgi_audit.cli.counting import some
from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.anchors import anchors_to_read
from asgi_audit.cli.integrity.material import mac_from, mac_key, moment, public_keys, reason_of
from asgi_audit.cli.progress import ProgressBar
from asgi_audit.sqlalchemy.purging import Plan, Purger


def run(arguments: argparse.Namespace) -> int:
    """Purge, or say what would be purged."""
    url = database_url(arguments.url)
    before = moment("--before", arguments.before)
    if not arguments.anchor:
        raise CommandFailed("give --anchor: only what an anchor vouches for is purged", Exit.USAGE)
    reason = reason_of(arguments) if arguments.yes else ""
    with using(url):
        purger = Purger(
            url,
            anchors=anchors_to_read(arguments.anchor),
            keys=public_keys(arguments.public_key),
            mac=mac_key(arguments),
            mac_from=mac_from(arguments),
        )
        plan = asyncio.run(purger.plan(before))
        when = f"{before.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        if not arguments.yes:
            print(f"Would purge {some(plan.records, 'record')} made before {when} from {purger.name}; --yes does it.")
            _say_rest(plan)
            return Exit.OK
        progress = ProgressBar("purging")
        try:
            purged = asyncio.run(purger.purge(before, reason=reason, progress=progress))
        finally:
            progress.close()
    print(f"Purged {some(purged, 'record')} made before {when}; their leaves stay.")
    _say_rest(plan)
    return Exit.OK


def _say_rest(plan: Plan) -> None:
    """What is old enough and stays."""
    for count, why in ((plan.unsealed, "not sealed"), (plan.unanchored, "not anchored")):
        if count:
            print(f"{some(count, 'older record')} {'stays' if count == 1 else 'stay'}: {why} yet.", file=sys.stderr)
