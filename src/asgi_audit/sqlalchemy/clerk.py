"""Who writes down what is done to the trail itself, by hand or by the sealer: a writer of its own."""

import os
import time
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.escape import escape
from asgi_audit.ids import IdSource
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.projection import utc_text
from asgi_audit.record import VERSION, Kind, Record
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS, records

_LONGEST_REASON: Final = 4096  # characters


class Clerk:
    """Makes the trail's own records over one connection; `seq` goes on with each that was committed."""

    def __init__(self, connection: AsyncConnection, key: MacKey | None = None) -> None:
        self._connection = connection
        self._key = key
        self._ids = IdSource()
        self._writer = os.urandom(16).hex()
        self._seq = 0

    def entry(self, kind: Kind, reason: str, data: dict[str, Any]) -> dict[str, Any]:
        """The row, by the names of its columns."""
        record = Record(
            v=VERSION,
            id=self._ids.new_id(),
            kind=kind,
            time=datetime.fromtimestamp(time.time_ns() // 1000 / 1_000_000, UTC),
            action=f"trail.{kind}",
            writer=self._writer,
            seq=self._seq,
            reason=escape(reason, _LONGEST_REASON),
            data=data,
            salts=self._ids.new_salts(),
        )
        return dict(zip(COLUMNS, build(record, self._key), strict=True))

    async def commit(self) -> None:
        """Commit what was done, with the record that says so."""
        await self._connection.commit()
        self._seq += 1

    async def insert(self, entry: dict[str, Any]) -> None:
        """Store a record that goes with nothing else."""
        if self._connection.dialect.name == "sqlite":
            entry = entry | {"time": utc_text(entry["time"])}
        await self._connection.execute(records.insert(), entry)
        await self.commit()
