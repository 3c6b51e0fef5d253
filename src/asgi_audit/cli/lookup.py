"""A record by its id, or by the beginning of it."""

import asyncio
import re
from typing import Final

from asgi_audit.cli.database import Address
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import AuditStore

_HIGHEST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
_LEAST: Final = 8  # characters of an id; they stand for a minute


def find_one(url: Address, text: str) -> Record:
    """The record whose id begins so; raises `CommandFailed` if there is none, or another."""
    beginning = text.lower()
    # Dashes stand where they stand in every id, hex digits elsewhere.
    if len(beginning) < _LEAST or re.sub("[0-9a-f]", "f", beginning) != _HIGHEST[: len(beginning)]:
        raise CommandFailed(f"{text!r} is no record id, nor 8 or more characters of one", Exit.USAGE)
    found = asyncio.run(_find(url, beginning))
    if not found:
        raise CommandFailed(f"no record's id begins with {beginning}; `asgi-audit log` lists ids", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(record.id for record in found)
        raise CommandFailed(f"several ids begin with {beginning}, give more of one: {ids}", Exit.USAGE)
    return found[0]


async def _find(url: Address, beginning: str) -> list[Record]:
    """The records whose id begins so, a few at most: ids are ordered, so those stand side by side."""
    async with AuditStore(url) as store:
        if len(beginning) == len(_HIGHEST):
            record = await store.get(beginning)
            return [] if record is None else [record]
        page = await store.page(size=4, older_than=beginning + _HIGHEST[len(beginning) :])
    return [record for record in page.records if record.id.startswith(beginning)]
