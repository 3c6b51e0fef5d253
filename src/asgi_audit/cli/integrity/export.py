"""`asgi-audit export`: a log in a file, to be verified elsewhere."""

import argparse
import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from asgi_audit.cli.counting import some
from asgi_audit.cli.database import Address, database_url, using
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import write_bundle


def run(arguments: argparse.Namespace) -> int:
    """Write the bundle."""
    url = database_url(arguments.url)
    path = Path(arguments.out)
    with using(url), _new(path) as file:
        leaves = asyncio.run(_export(url, file))
    print(f"Wrote {path}, with {some(leaves, 'sealed record')}: asgi-audit verify --offline {path}")
    return Exit.OK


async def _export(url: Address, file: BinaryIO) -> int:
    async with DatabaseEvidence(url) as evidence:
        return await write_bundle(evidence, file)


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there, as private as the trail; it is gone if it can't be finished."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandFailed(f"--out {path}: {error.strerror}", Exit.USAGE) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
