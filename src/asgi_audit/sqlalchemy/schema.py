"""The tables of the trail.

A row is insert-only. `core` and the three parts `actor`, `target`, `detail` (see `asgi_audit.integrity.leaf`) are the
record; the other columns are projections of them, there to be filtered by. Of several targets they show the first.

Columns that stand in an index hold at most the characters that fit into one, and `clip` cuts both what is stored and
what is asked for, so that a filter finds what was cut.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

RECORDS: Final = "audit_records"
VERSIONS: Final = "audit_schema"
#: Both of an index's columns must fit into a third of a page of PostgreSQL (2,704 bytes) at four bytes a character.
WIDE: Final = 500
NARROW: Final = 120

_id = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
_text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_time = (
    sa.DateTime(timezone=True)
    .with_variant(sa.String(27), "sqlite")  # RFC 3339 with microseconds, in UTC
    .with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
)
_salt = sa.String(32)


def _column(name: str, type_: Any, *, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, type_, nullable=nullable)


metadata = sa.MetaData()

records = sa.Table(
    RECORDS,
    metadata,
    # Projections of the core.
    _column("id", _id, nullable=False),
    _column("time", _time, nullable=False),
    _column("parent", _id),
    _column("writer", sa.String(32), nullable=False),
    _column("seq", sa.BigInteger(), nullable=False),
    _column("kind", sa.String(16), nullable=False),
    _column("duration_us", sa.BigInteger()),
    _column("action", sa.String(WIDE), nullable=False),
    _column("outcome", sa.String(16)),
    _column("method", _text),
    _column("route", _text),
    _column("status", sa.Integer()),
    _column("service", _text),
    # Projections of the parts; NULL when the part is erased.
    _column("actor_id", sa.String(WIDE)),
    _column("actor_type", sa.String(NARROW)),
    _column("ip", _text),
    _column("target_type", sa.String(NARROW)),
    _column("target_id", sa.String(WIDE)),
    _column("tenant", _text),
    _column("path", _text),
    _column("request_id", _text),
    _column("trace_id", _text),
    # The record itself.
    _column("core", _text, nullable=False),
    _column("actor", _text),
    _column("target", _text),
    _column("detail", _text),
    _column("actor_salt", _salt),
    _column("target_salt", _salt),
    _column("detail_salt", _salt),
    sa.PrimaryKeyConstraint("id", name=f"{RECORDS}_pkey"),
    sa.UniqueConstraint("writer", "seq", name=f"{RECORDS}_writer_seq"),
    sa.Index(f"{RECORDS}_actor", "actor_id", "id"),
    sa.Index(f"{RECORDS}_target", "target_type", "target_id", "id"),
    sa.Index(f"{RECORDS}_action", "action", "id"),
)

#: One row per step that was applied; the highest is the version of the database.
versions = sa.Table(VERSIONS, metadata, sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False))

COLUMNS: Final = tuple(records.columns.keys())


def clip(text: str | None, width: int) -> str | None:
    """As much of the text as its column holds."""
    return text if text is None or len(text) <= width else text[:width]
