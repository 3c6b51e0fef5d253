"""What there is to know of a mapped class before any of its objects changes."""

from collections.abc import Mapping, Set
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.expression import FromClause

from asgi_audit.exclusion import excluded_by, key_mask
from asgi_audit.snapshot import EXCLUDED, key_text, snapshot


class TablePlan:
    """One table of a mapped class: attributes by column, and what the database or SQLAlchemy sets by itself."""

    def __init__(self, mapper: Mapper[Any], table: Table, columns: dict[str, Column[Any]], excluded: Set[str]) -> None:
        version = mapper.version_id_col
        self.type = str(table.fullname)  # SQLAlchemy has a class of its own for some names
        self.names = {key: str(column.name) for key, column in columns.items()}
        self.hidden = frozenset(key for key, column in columns.items() if excluded & {key, column.name, "*"})
        self.versioned = version is not None and version.table is table
        self.on_update = tuple(
            key
            for key, column in columns.items()
            if column is version or column.onupdate is not None or column.server_onupdate is not None
        )
        self.null_unless_set = tuple(
            key for key, column in columns.items() if column.default is None and column.server_default is None
        )

    def shown(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by attribute as values by column."""
        return {
            self.names[key]: EXCLUDED if key in self.hidden else snapshot(value)
            for key, value in values.items()
            if key in self.names
        }


class Plan:
    """A mapped class: its tables, its key, its association tables."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        by_table: dict[FromClause, dict[str, Column[Any]]] = {}
        for prop in mapper.column_attrs:
            for column in prop.columns:
                if isinstance(column, Column) and isinstance(column.table, Table):
                    by_table.setdefault(column.table, {})[prop.key] = column
        excluded, self.excluded = excluded_by(
            mapper.class_, {name for each in by_table.values() for name in _both(each)}
        )
        self.tables = tuple(
            TablePlan(mapper, table, by_table[table], excluded)
            for table in mapper.tables
            if isinstance(table, Table) and table in by_table
        )
        self.attributes = frozenset(key for table in self.tables for key in table.names)
        self.on_update = tuple({key: None for table in self.tables for key in table.on_update})
        self.key = tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)
        self._masks = tuple(
            key_mask({key, column.name}, column.name, excluded)
            for key, column in zip(self.key, mapper.primary_key, strict=True)
        )
        self.associations = frozenset(
            relation.secondary for relation in mapper.relationships if relation.secondary is not None
        )

    def id(self, parts: tuple[Any, ...]) -> str | None:
        """The key as text."""
        return key_text([part if mask is None else mask for part, mask in zip(parts, self._masks, strict=True)])


_plans: WeakKeyDictionary[Mapper[Any], Plan] = WeakKeyDictionary()


def plan_of(mapper: Mapper[Any]) -> Plan:
    """The mapper's plan, made once."""
    plan = _plans.get(mapper)
    if plan is None:
        plan = _plans[mapper] = Plan(mapper)
    return plan


def _both(columns: Mapping[str, Column[Any]]) -> set[str]:
    """What `__audit_exclude__` may call them."""
    return {name for key, column in columns.items() for name in (key, column.name)}
