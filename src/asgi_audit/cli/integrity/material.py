"""What the verbs are given in files: keys and secrets."""

import argparse
import os.path
from collections.abc import Sequence
from datetime import UTC, datetime

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

    return [VerifierKey.parse(each) if _is_key(each) else VerifierKey.load(each) for each in given]


def _is_key(given: str) -> bool:
    """Whether it is the text of a key; it may be longer than a file's name can be, which `pathlib` raises about."""
    return "+" in given and not os.path.exists(given)  # noqa: PTH110


def mac_key(arguments: argparse.Namespace) -> MacKey | None:
    """The secret of the MACs, if there is one."""
    return None if arguments.mac is None else MacKey.load(arguments.mac)


def mac_from(arguments: argparse.Namespace) -> int:
    """The index from which on every record must have a MAC."""
    if arguments.mac_from is not None and arguments.mac is None:
        raise CommandFailed("--mac-from goes with --mac", Exit.USAGE)
    return arguments.mac_from or 0


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
