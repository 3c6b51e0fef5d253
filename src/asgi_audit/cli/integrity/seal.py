"""`asgi-audit seal`: one pass of the sealer, or one after the other."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from asgi_audit.anchors import Anchor, LoggerAnchor, as_anchor
from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.material import mac_key, reason_of, signers
from asgi_audit.cli.integrity.passes import Passes, complain, report
from asgi_audit.sqlalchemy import Sealer


def run(arguments: argparse.Namespace) -> int:
    """Seal."""
    url = database_url(arguments.url)
    if arguments.restart and arguments.every is not None:
        raise CommandFailed("--restart is done once, without --every", Exit.USAGE)
    if arguments.reason is not None and not arguments.restart:
        raise CommandFailed("--reason goes with --restart", Exit.USAGE)
    reason = reason_of(arguments) if arguments.restart else ""
    anchors = [as_anchor(each) for each in arguments.anchor]
    _let_be_heard(anchors)
    with using(url):
        sealer = Sealer(url, keys=signers(arguments.key), anchors=anchors, mac=mac_key(arguments))
        if arguments.every is not None:
            print(f"Sealing {sealer.name} every {arguments.every:g} s; Ctrl-C ends it.", flush=True)
            _mention(anchors)
            return asyncio.run(Passes(url, sealer.seal).run(arguments.every))
        sealed = asyncio.run(sealer.restart(reason) if arguments.restart else sealer.seal())
    report(sealed)
    if arguments.restart and sealed.note is not None:
        print(f"The log goes on as {sealed.note.partition(chr(10))[0]}.")
    _mention(anchors)
    for trouble in sealed.troubles:
        complain(trouble)
    return Exit.DATABASE if sealed.troubles else Exit.OK


def _let_be_heard(anchors: Sequence[Anchor]) -> None:
    """Loggers have no handlers here. Standard error is what keeps the messages of a service."""
    for anchor in anchors:
        if isinstance(anchor, LoggerAnchor):
            logger = logging.getLogger(anchor.name.removeprefix("logger:"))
            logger.addHandler(logging.StreamHandler())
            logger.setLevel(logging.INFO)


def _mention(anchors: Sequence[Anchor]) -> None:
    if not anchors:
        print("No --anchor: nobody but the database's owner has the checkpoints.", file=sys.stderr)
