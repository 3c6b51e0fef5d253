"""SQLite's append-only triggers.

UPDATE and DELETE ask `asgi_audit_append_only()`, which is no function of SQLite's: a connection that has not registered
it can't even prepare such a statement. `door.Door` registers one that is false while the door is open.

INSERT OR REPLACE deletes the row that is in its way without a word to a trigger that watches DELETE. So a trigger that
watches INSERT looks first, with the outcome and the words of SQLite's own constraints. A record that is there already
is passed over, also by a plain INSERT: that is what a sink means that delivers it again.
"""

from typing import Final

import sqlalchemy as sa

from asgi_audit.sqlalchemy.schema import CHECKPOINTS, COLUMNS, LEAVES, RECORDS, VERSIONS
from asgi_audit.sqlalchemy.warrant import ERASABLE

FUNCTION: Final = "asgi_audit_append_only"

_TABLES: Final = (RECORDS, LEAVES, CHECKPOINTS, VERSIONS)
_REFUSE: Final = "SELECT RAISE(ABORT, '{} is append-only: erase and purge with asgi-audit');"
#: By table, the keys that a new row must not share with an old one.
_KEYS: Final = {
    RECORDS: (("writer", "seq"),),
    LEAVES: (("idx",), ("record_id",)),
    CHECKPOINTS: (("size", "signers"),),
    VERSIONS: (("version",),),
}


def _erases_only() -> str:
    """The condition under which an UPDATE does nothing but erase."""
    erasable = [column for columns in ERASABLE.values() for column in columns]
    fixed = [column for column in COLUMNS if column not in erasable]
    unchanged = [f"NEW.{column} IS OLD.{column}" for column in fixed]
    emptied = [f"(NEW.{column} IS NULL OR NEW.{column} IS OLD.{column})" for column in erasable]
    return " AND ".join([*unchanged, *emptied])


def _taken(table: str, key: tuple[str, ...]) -> str:
    same = " AND ".join(f"{column} = NEW.{column}" for column in key)
    message = "UNIQUE constraint failed: " + ", ".join(f"{table}.{column}" for column in key)
    return f"SELECT RAISE(ABORT, '{message}') WHERE EXISTS (SELECT 1 FROM {table} WHERE {same});"  # noqa: S608 - constants


def _on_insert(table: str) -> str:
    body = [_taken(table, key) for key in _KEYS[table]]
    if table in {RECORDS, CHECKPOINTS}:
        # REPLACE would also replace the row of a given rowid; where none is given, it is -1 here.
        body.append(_taken(table, ("rowid",)).replace("WHERE EXISTS", "WHERE NEW.rowid <> -1 AND EXISTS", 1))
    if table == RECORDS:
        stored = f"SELECT RAISE(IGNORE) WHERE EXISTS (SELECT 1 FROM {RECORDS} WHERE id = NEW.id);"  # noqa: S608 - constants
        body.insert(0, stored)
    return f"CREATE TRIGGER {table}_insert BEFORE INSERT ON {table} BEGIN {' '.join(body)} END"


def _triggers() -> dict[str, str]:
    made = {}
    for table in _TABLES:
        refuse = _REFUSE.format(table)
        made[f"{table}_insert"] = _on_insert(table)
        for event, allowed in (("update", _erases_only()), ("delete", "TRUE")):
            # Only records are ever erased or purged.
            closed = f"{FUNCTION}() OR NOT ({allowed if table == RECORDS else 'FALSE'})"
            made[f"{table}_{event}"] = (
                f"CREATE TRIGGER {table}_{event} BEFORE {event.upper()} ON {table} WHEN {closed} BEGIN {refuse} END"
            )
    return made


#: The statements, as SQLite keeps them, by the names of the triggers.
_TRIGGERS: Final = _triggers()


def statements(connection: sa.Connection) -> list[str]:  # noqa: ARG001 - PostgreSQL needs it
    """What makes the tables append-only, whatever was there before."""
    return [text for name, made in _TRIGGERS.items() for text in (f"DROP TRIGGER IF EXISTS {name}", made)]


def installed(connection: sa.Connection) -> bool:
    """Whether all triggers are there as they are made here."""
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    return _TRIGGERS.items() <= {tuple(row) for row in found}
