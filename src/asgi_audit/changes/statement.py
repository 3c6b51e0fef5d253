"""Statements that a session has executed, seen at its connection: what bypasses the unit of work."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Delete, Insert, Table, Update
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.expression import ClauseElement

from asgi_audit.literals import ALL_ROWS, UNKNOWN_TABLE, VALUES, WITHHELD, told, without_literals
from asgi_audit.record import Change
from asgi_audit.snapshot import snapshot

_OLD: Final = "old_"  # how SQLAlchemy calls the parameters that name an association's former row


class Statement(NamedTuple):
    """A construct that changes rows, and how many, if the driver knows."""

    element: UpdateBase
    rows: int | None

    def change(self) -> Change:
        """The entry that sums it up."""
        return Change(
            operation=_operation(self.element),
            type=_table(self.element),
            count=self.rows,
            criteria=_criteria(self.element),
        )


def element_of(context: Any) -> UpdateBase | None:
    """What was executed, if it is a construct that changes rows."""
    if context.isinsert or context.isupdate or context.isdelete:
        element = context.compiled.statement
        return element if isinstance(element, UpdateBase) else None
    return None


def made_by_mapper(context: Any) -> bool:
    """Whether the ORM wrote the statement for objects: it alone brings a cache for it, that of their mapper."""
    return context.execution_options.get("compiled_cache") is not None


def count_of(cursor: Any, context: Any, element: UpdateBase) -> int | None:
    """How many rows a statement has changed."""
    many = len(context.compiled_parameters)
    plain = isinstance(element, Insert) and element.select is None and not _is_upsert(element)
    if plain and (many > 1 or not getattr(element, "_multi_values", ())):
        return many
    if many > 1 and cursor.description is not None:  # in batches, of which this is the first
        return None
    return _reported(cursor)


def besides(cursor: Any, context: Any, sql: str) -> Iterator[Change]:
    """What a statement changes that is text alone, or in a common table expression."""
    if context.is_text:
        found = list(told(sql))
        count = _reported(cursor) if len(found) == 1 else None
        for each in found:
            if count != 0:
                yield each.change(count)
        return
    for expression in getattr(context.compiled, "ctes", None) or ():
        if isinstance(expression.element, UpdateBase):
            yield Statement(expression.element, None).change()


def pairs(context: Any, element: UpdateBase) -> Iterator[Change]:
    """The rows of an association table that a flush has inserted, deleted, or given the new keys of what they join."""
    table = element.table
    columns = {column.key: str(column.name) for column in table.c}
    for parameters in context.compiled_parameters:
        now = {name: snapshot(parameters[key]) for key, name in columns.items() if key in parameters}
        if isinstance(element, Insert):
            yield Change(operation="insert", type=_table(element), after=now)
        elif isinstance(element, Delete):
            yield Change(operation="delete", type=_table(element), before=now)
        else:
            was = {name: snapshot(parameters[_OLD + key]) for key, name in columns.items() if _OLD + key in parameters}
            yield Change(operation="update", type=_table(element), before=was, after=now)


def _reported(cursor: Any) -> int | None:
    count = cursor.rowcount
    if cursor.description is not None and count <= 0:  # its rows are still to be fetched, and then counted
        return None
    return count if isinstance(count, int) and count >= 0 else None


def _is_upsert(element: Insert) -> bool:
    return getattr(element, "_post_values_clause", None) is not None


def _operation(element: UpdateBase) -> str:
    if isinstance(element, Insert):
        return "upsert" if _is_upsert(element) else "insert"
    return "update" if isinstance(element, Update) else "delete" if isinstance(element, Delete) else "change"


def _table(element: UpdateBase) -> str:
    table = element.table
    name = table.fullname if isinstance(table, Table) else getattr(table, "name", None)
    return str(name or UNKNOWN_TABLE)


def _criteria(element: UpdateBase) -> str:
    if isinstance(element, Insert):
        return VALUES if element.select is None else _text(element.select)
    where = getattr(element, "whereclause", None)
    return ALL_ROWS if where is None else _text(where)


def _text(clause: Any) -> str:
    """The clause with the names of its parameters, not their values."""
    try:
        names = {name for each in visitors.iterate(clause) for name in _names(each)}
        return without_literals(str(clause), names)
    except Exception:  # noqa: BLE001 - a construct that only its own dialect can compile
        return WITHHELD


def _names(element: Any) -> Iterator[str]:
    for each in (element, getattr(element, "table", None)):
        if isinstance(each, ClauseElement) and isinstance(name := getattr(each, "name", None), str):
            yield name
