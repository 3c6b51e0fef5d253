"""Rows that nobody can tell from ours by themselves: made as a sink makes them, but for the MAC."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from asgi_audit.integrity.leaf import PARTS, assemble
from asgi_audit.record import Kind, Record
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS
from tests.sealed.hand import Stored
from tests.sealed.log import Writer
from tests.sealed.scene import Scene

SALTS = tuple(f"{part}_salt" for part in PARTS)


def whole(row: Stored) -> bool:
    """Whether nothing of the record is erased."""
    return all(row[salt] is not None for salt in SALTS)


def of_application(row: Stored) -> bool:
    """Whether it is a record that could be erased."""
    return bool(row["kind"] == Kind.HTTP)


def content(row: Stored) -> Record:
    """What a whole row says, with its salts."""
    record = assemble(row["core"], row["actor"], row["target"], row["detail"])
    return msgspec.structs.replace(record, salts="".join(row[salt] for salt in SALTS))


def row_of(scene: Scene, record: Record) -> Stored:
    """Columns, parts, commitments and core of a record."""
    row = dict(zip(COLUMNS, build(record), strict=True))
    return row | {"time": scene.hand.time(record.time)}


def like(scene: Scene, row: Stored, **changes: Any) -> Stored:
    """The same with other content."""
    return row_of(scene, msgspec.structs.replace(content(row), **changes))


def invented(scene: Scene, kind: Kind = Kind.HTTP, data: dict[str, Any] | None = None) -> Stored:
    """A record by a writer that never was; with data, one of the trail's own."""
    writer, now = Writer(scene.chance), datetime.now(UTC)
    return row_of(scene, writer.record(now) if data is None else writer.own(kind, now, data))
