"""The tables of the trail.

`audit_records` is insert-only. `core` and the three parts `actor`, `target`, `detail` (see `asgi_audit.integrity.leaf`)
are the record; the other columns are projections of them (see `asgi_audit.integrity.projection`), there to be filtered
by. `audit_leaves` gives the sealed ones their place in the Merkle tree, for ever; `audit_checkpoints` holds what was
signed, with the roots of the tree's perfect subtrees (`peaks`), from which it grows on.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from asgi_audit.integrity.projection import NARROW, WIDE

RECORDS: Final = "audit_records"
VERSIONS: Final = "audit_schema"
LEAVES: Final = "audit_leaves"
CHECKPOINTS: Final = "audit_checkpoints"

_id = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
_text = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
_time = (
    sa.DateTime(timezone=True)
    .with_variant(sa.String(27), "sqlite")  # RFC 3339 with microseconds, in UTC
    .with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
)
_salt = sa.String(32)
_hash = sa.LargeBinary(32)  # SHA-256


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

leaves = sa.Table(
    LEAVES,
    metadata,
    # In SQLite, INTEGER makes it the rowid.
    _column("idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    _column("record_id", _id, nullable=False),
    _column("hash", _hash, nullable=False),
    sa.PrimaryKeyConstraint("idx", name=f"{LEAVES}_pkey"),
    sa.UniqueConstraint("record_id", name=f"{LEAVES}_record_id"),
)

checkpoints = sa.Table(
    CHECKPOINTS,
    metadata,
    _column("size", sa.BigInteger(), nullable=False),
    _column("signers", sa.String(255), nullable=False),  # the ids of their keys, so that a new key can sign at once
    _column("note", _text, nullable=False),
    _column("peaks", sa.LargeBinary(), nullable=False),
    _column("time", _time, nullable=False),
    sa.PrimaryKeyConstraint("size", "signers", name=f"{CHECKPOINTS}_pkey"),
)

#: One row per step that was applied; the highest is the version of the database.
versions = sa.Table(VERSIONS, metadata, sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False))

COLUMNS: Final = tuple(records.columns.keys())
