"""What the verbs are given in files: keys and secrets."""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.moments import parse_moment
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.note import Signer, Verifier


def signers(files: Sequence[str]) -> list[Signer]:
    """The keys in these files."""
    if not files:
        return []  # what is not signed needs no package
    from asgi_audit.signing import SigningKey

    return [SigningKey.load(file) for file in files]


def public_keys(given: Sequence[str]) -> list[Verifier]:
    """Public keys, each the name of a file or its text."""
    if not given:
        return []
    from asgi_audit.signing import VerifierKey

    return [VerifierKey.load(each) if Path(each).exists() else VerifierKey.parse(each) for each in given]


def mac_key(arguments: argparse.Namespace) -> MacKey | None:
    """The secret of the MACs, if there is one."""
    return None if arguments.mac is None else MacKey.load(arguments.mac)


def moment(option: str, text: str) -> datetime:
    """A point in time."""
    try:
        return parse_moment(text, now=datetime.now(UTC))
    except ValueError as error:
        raise CommandFailed(f"{option}: {error}", Exit.USAGE) from None


def reason_of(arguments: argparse.Namespace) -> str:
    """Why it is done."""
    if not (arguments.reason or "").strip():
        raise CommandFailed("say why, with --reason: it stays in the trail for ever", Exit.USAGE)
    return str(arguments.reason)
