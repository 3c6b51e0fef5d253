"""The state of a database, and what changes make of one."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from sqlalchemy import Connection, Table

from asgi_audit import Change
from asgi_audit.snapshot import COMPUTED
from tests.changes.models import TABLES

Row: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, list[Row]]

BULK = {"entries"}  # its rows are summed up


def read(connection: Connection) -> State:
    """All rows of all tables that are written row by row."""
    return {
        table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
        for table in TABLES
        if table.name not in BULK
    }


def replay(old: State, changes: Iterable[Change]) -> State:
    """What the changes say the state is now."""
    state = {name: [dict(row) for row in rows] for name, rows in old.items()}
    tables = {table.fullname: table for table in TABLES}
    for change in changes:
        if change.type in BULK:
            continue
        rows = state[change.type]
        table = tables[change.type]
        if change.operation == "insert":
            assert not any(_is(table, row, change) for row in rows), change
            rows.append({column.name: COMPUTED for column in table.c} | change.after)
            continue
        found = [row for row in rows if _is(table, row, change)]
        assert len(found) == 1, (change, rows)
        assert _agree(found[0], change.before), (change, found)
        if change.operation == "delete":
            rows.remove(found[0])
        else:
            found[0].update(change.after)
    return state


def same(claimed: State, real: State) -> bool:
    """Whether the two agree, but for what the database has set."""
    if {name: len(rows) for name, rows in claimed.items()} != {name: len(rows) for name, rows in real.items()}:
        return False
    return all(
        any(_agree(row, other) for other in real[name]) for name, rows in claimed.items() for row in rows
    ) and all(any(_agree(other, row) for row in claimed[name]) for name, rows in real.items() for other in rows)


def _is(table: Table, row: Mapping[str, Any], change: Change) -> bool:
    keys = [column.name for column in table.primary_key]
    if change.id is None:  # of an association
        values = change.after if change.operation == "insert" else change.before
        return all(row[key] == values[key] for key in keys)
    assert len(keys) == 1
    return str(row[keys[0]]) == change.id


def _agree(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[key] == other[key] or COMPUTED in (one[key], other[key]) for key in one.keys() & other.keys())
