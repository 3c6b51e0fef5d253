"""`asgi-audit seal`: one pass of the sealer, or one after the other."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

from asgi_audit.cli.counting import some
from asgi_audit.cli.database import database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.integrity.material import mac_key, reason_of, signers
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.errors import AuditError
from asgi_audit.integrity.note import Note
from asgi_audit.sqlalchemy import Sealer


def run(arguments: argparse.Namespace) -> int:
    """Seal."""
    url = database_url(arguments.url)
    if arguments.restart and arguments.every is not None:
        raise CommandFailed("--restart is done once, without --every", Exit.USAGE)
    with using(url):
        sealer = Sealer(url, keys=signers(arguments.key), anchors=arguments.anchor, mac=mac_key(arguments))
        if not arguments.anchor:
            print("No --anchor: nobody but the database's owner has the checkpoints.", file=sys.stderr)
        if arguments.every is not None:
            return asyncio.run(_go_on(sealer, arguments.every))
        sealed = asyncio.run(sealer.restart(reason_of(arguments)) if arguments.restart else sealer.seal())
    _report(sealed)
    return Exit.DATABASE if sealed.troubles else Exit.OK


async def _go_on(sealer: Sealer, every: float) -> int:
    """Pass after pass, until a signal ends it; a pass that has begun is finished."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C is a KeyboardInterrupt there
            loop.add_signal_handler(number, ended.set)
    print(f"Sealing {sealer.name} every {every:g} s; Ctrl-C ends it.", flush=True)
    said = ""
    while not ended.is_set():
        said = await _attempt(sealer.seal, said)
        with suppress(TimeoutError):
            async with asyncio.timeout(every):
                await ended.wait()
    return Exit.OK


async def _attempt(seal: Callable[[], Awaitable[Sealed]], said: str) -> str:
    """One pass. What goes wrong is said when it begins, and not every few seconds; the next pass tries again."""
    try:
        sealed = await seal()
    except Exception as error:  # noqa: BLE001 - a database or an anchor may raise anything
        now = (
            str(error)
            if isinstance(error, AuditError)
            else f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        )
    else:
        if sealed.records:
            _report(sealed._replace(troubles=[], gave_way=False))
        now = "; ".join([*sealed.troubles, *["another sealer is at work: this one gives way"] * sealed.gave_way])
    if now and now != said:
        print(f"asgi-audit: {now}", file=sys.stderr, flush=True)
    return now


def _report(sealed: Sealed) -> None:
    """Say what was done."""
    if sealed.gave_way:
        print("Another sealer is at work on this database; this one has given way.")
    signatures = () if sealed.note is None else Note.parse(sealed.note).signatures
    names = ", ".join(each.name for each in signatures)
    how = f"signed by {names}" if names else "not signed (--key)"
    if sealed.note is None:
        print("Nothing is stored yet, so there is nothing to seal.")
    else:
        print(f"Sealed {some(sealed.records, 'record')}; the tree has {sealed.size:,}, {how}.", flush=True)
    for trouble in sealed.troubles:
        print(f"asgi-audit: {trouble}", file=sys.stderr)
