"""What erasing and purging have in common: rows that are looked at, changed by the door, and accounted for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.errors import AuditError
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.report import Findings
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import harden
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.verification.examination import Examiner


class EvidenceAltered(AuditError):  # noqa: N818 - named as what it is
    """A record is not what it was: to erase or purge it now would hide that."""


@asynccontextmanager
async def altering(database: Database) -> AsyncIterator[AsyncConnection]:
    """A connection of its own, to a database with our tables."""
    database.require_file()
    engine = database.writing()
    try:
        async with engine.connect() as connection:
            await harden(connection)
            await connection.run_sync(require, database.name)
            await connection.rollback()
            yield connection
    finally:
        await engine.dispose()


class Inspection:
    """Looks at rows before they are changed, as a verifier would."""

    def __init__(self, mac: MacKey | None) -> None:
        self._findings = Findings()
        self._examiner = Examiner(self._findings, mac, 0)

    def inspect(self, row: dict[str, Any], index: int | None = None, hashed: bytes | None = None) -> Record:
        """The record; raises `EvidenceAltered` if anything is wrong with it."""
        examined = self._examiner.examine(row, index, hashed)
        if not examined.sound or examined.record is None:
            finding = self._findings.kept[0]
            raise EvidenceAltered(f"record {finding.record}: {finding.what}; nothing more was done: asgi-audit verify")
        return examined.record
