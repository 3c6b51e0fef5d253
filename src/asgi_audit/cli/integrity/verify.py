"""`asgi-audit verify`: whether a trail is what it was, as a verdict with its reasons and an exit code."""

import argparse
import asyncio
import sys
from typing import Final

import msgspec

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.anchors import anchors_to_read
from asgi_audit.cli.integrity.material import mac_from, mac_key, public_keys
from asgi_audit.cli.integrity.verdict import print_report
from asgi_audit.cli.output import standard_output
from asgi_audit.cli.progress import ProgressBar
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.verification import Bundle, Verifier

_CODES: Final = {Verdict.PASS: 0, Verdict.TAMPERED: 1, Verdict.UNANCHORED: 2, Verdict.DECLARED_LOSS: 3}


def run(arguments: argparse.Namespace) -> int:
    """Verify, and say what was found."""
    if arguments.offline is not None and arguments.url is not None:
        raise CommandFailed("give a database or --offline, not both", Exit.NOT_RUN)
    if arguments.older and arguments.offline is None:
        raise CommandFailed("--older is for a file: give --offline", Exit.NOT_RUN)
    progress = ProgressBar("verifying")
    verifier = Verifier(
        keys=public_keys(arguments.public_key),
        anchors=anchors_to_read(arguments.anchor),
        mac=mac_key(arguments),
        mac_from=mac_from(arguments),
        log=arguments.log,
        older=arguments.older,
        progress=progress,
    )
    try:
        report = _verify(arguments, verifier)
    finally:
        progress.close()
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        print_report(report, standard_output())
    if arguments.offline is not None and not arguments.older and "anchor" in report.finding_counts:
        print("If the file is only older than the anchors: --older", file=sys.stderr)
    return _CODES[report.verdict]


def _verify(arguments: argparse.Namespace, verifier: Verifier) -> Report:
    if arguments.offline is not None:
        return asyncio.run(verifier.verify(Bundle(arguments.offline)))
    from asgi_audit.cli.database import database_url, using
    from asgi_audit.sqlalchemy.evidence import DatabaseEvidence

    url = database_url(arguments.url)
    with using(url):
        return asyncio.run(verifier.verify(DatabaseEvidence(url)))
