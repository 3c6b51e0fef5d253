"""`asgi-audit check`: a proof, checked with nothing but the file and a key."""

import argparse
import sys
from pathlib import Path

from asgi_audit.cli.card import print_card
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.material import public_keys
from asgi_audit.cli.output import Piece, standard_output
from asgi_audit.cli.selection import zone_of
from asgi_audit.integrity.proof import Checked, Proof, ProofFailed
from asgi_audit.record import encode


def run(arguments: argparse.Namespace) -> int:
    """Check it, and show what it proves."""
    keys = public_keys(arguments.public_key)
    if not keys:
        raise CommandFailed("whose word counts? give --key with the public key of the log", Exit.USAGE)
    try:
        content = sys.stdin.buffer.read() if arguments.file == "-" else Path(arguments.file).read_bytes()
    except OSError as error:
        raise CommandFailed(f"{arguments.file}: {error.strerror}", Exit.USAGE) from None
    try:
        checked = Proof.parse(content).check(keys)
    except ProofFailed as error:
        print(f"asgi-audit: not proved: {error}", file=sys.stderr)
        return Exit.NOT_FOUND
    if arguments.json:
        print(encode(checked.record).decode())
    else:
        _show(checked, arguments)
    return Exit.OK


def _show(checked: Checked, arguments: argparse.Namespace) -> None:
    out = standard_output()
    checkpoint = checked.checkpoint
    signed = ", ".join(checked.signed_by)
    out.line(
        Piece("PROVED", "bold green"),
        f"  this record is one of the {checkpoint.size:,} in the log {checkpoint.origin}, signed by {signed}",
    )
    if checked.hidden:
        out.line("not shown, or erased: ", ", ".join(checked.hidden))
    out.line()
    print_card(checked.record, out, zone_of(arguments))
