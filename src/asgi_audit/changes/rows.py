"""Rows that a flush has written, from what SQLAlchemy knows of their objects. Nothing here loads anything.

After a flush, its objects still remember their values from before. A value that was never loaded is not in `before`,
one that the database made up and nobody fetched is not in `after` of an insert, and marked in that of an update.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy.orm import InstanceState, PassiveFlag, Session, UOWTransaction
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import NO_VALUE
from sqlalchemy.sql.expression import ClauseElement

from asgi_audit.changes.plan import Plan, TablePlan, plan_of
from asgi_audit.record import Change
from asgi_audit.snapshot import COMPUTED

State: TypeAlias = InstanceState[Any]
Values: TypeAlias = dict[str, Any]
Early: TypeAlias = dict[State, tuple[Values, Values]]

_UNKNOWN: Final = object()


def look_ahead(session: Session) -> Early:
    """Before the flush: the old values of what it sets without keeping them. First expressions, then the rest."""
    found: Early = {}
    for each in session.dirty:
        state = instance_state(each)
        plan = plan_of(state.mapper)
        values = state.dict
        expressions = {
            key: _old(state, key)
            for key in state.committed_state
            if key in plan.attributes and _is_expression(values.get(key))
        }
        others = {key: values[key] for key in plan.on_update if key in values and key not in expressions}
        if expressions or others:
            found[state] = (expressions, others)
    return found


def written(flush: UOWTransaction, early: Early) -> Iterator[Change]:
    """What a flush has done, in the order in which it does such things: updates, inserts, deletes."""
    new: list[State] = []
    changed: list[State] = []
    deleted: list[State] = []
    replaced: dict[tuple[Any, ...], State] = {}
    for state, (gone, kept) in flush.states.items():
        if kept:
            if gone and state.key:
                replaced[state.key[:2]] = state
        elif not plan_of(state.mapper).excluded:
            (deleted if gone else changed if state.key else new).append(state)
    for state in sorted(changed, key=_place):
        yield from _updated(plan_of(state.mapper), state, early.get(state, ({}, {})))
    for state in sorted(new, key=lambda state: state.insert_order or 0):
        plan = plan_of(state.mapper)
        old = replaced.get(_identity(plan, state)) if replaced else None
        yield from _inserted(plan, state) if old is None else _switched(plan, state, old)
    for state in sorted(deleted, key=_place):
        yield from _deleted(plan_of(state.mapper), state)


def _place(state: State) -> tuple[str, int, str]:
    """Where to show it: SQLAlchemy keeps what is flushed in sets."""
    key = str(state.key and state.key[1])
    return state.mapper.class_.__name__, len(key), key


def _inserted(plan: Plan, state: State) -> Iterator[Change]:
    values = state.dict
    key = plan.id(tuple(values.get(key) for key in plan.key))
    for table in plan.tables:
        after = table.shown(values)
        for absent in table.null_unless_set:
            if absent not in values and absent not in state.expired_attributes:
                after[table.names[absent]] = None
        yield Change(operation="insert", type=table.type, id=key, after=after)


def _deleted(plan: Plan, state: State) -> Iterator[Change]:
    values = {key: value for key in state.dict if (value := _old(state, key)) is not _UNKNOWN}
    for table in plan.tables:
        yield Change(operation="delete", type=table.type, id=_key(plan, state), before=table.shown(values))


def _updated(plan: Plan, state: State, early: tuple[Values, Values]) -> Iterator[Change]:
    expressions, others = early
    values = state.dict
    changed: dict[str, tuple[Any, Any]] = {}
    for key in state.committed_state:
        if key in plan.attributes:
            added, _, deleted = state.get_history(key, PassiveFlag.PASSIVE_NO_INITIALIZE)
            if added:
                changed[key] = (deleted[0] if deleted else _UNKNOWN, added[0])
    for key, old in expressions.items():
        changed[key] = (old, values.get(key, COMPUTED))
    if changed:
        yield from _changes(plan, state, changed, others)


def _switched(plan: Plan, state: State, old: State) -> Iterator[Change]:
    """An object that took the key of one that was deleted: SQLAlchemy updates the row."""
    changed = {key: (_old(old, key), COMPUTED) for key in plan.attributes & state.expired_attributes}
    for key in plan.attributes.intersection(state.dict):
        before, now = _old(old, key), state.dict[key]
        if before is _UNKNOWN or state.manager[key].impl.is_equal(now, before) is not True:
            changed[key] = (before, now)
    return _changes(plan, old, changed, {})


def _changes(plan: Plan, state: State, changed: dict[str, tuple[Any, Any]], others: Values) -> Iterator[Change]:
    for table in plan.tables:
        own = {key: pair for key, pair in changed.items() if key in table.names}
        if own or (table.versioned and changed):
            for key in table.on_update:
                own.setdefault(key, (others.get(key, _UNKNOWN), state.dict.get(key, COMPUTED)))
            yield _update(table, _key(plan, state), own)


def _update(table: TablePlan, key: str | None, pairs: Mapping[str, tuple[Any, Any]]) -> Change:
    before = {key: old for key, (old, _) in pairs.items() if old is not _UNKNOWN}
    after = {key: new for key, (_, new) in pairs.items()}
    return Change(operation="update", type=table.type, id=key, before=table.shown(before), after=table.shown(after))


def _key(plan: Plan, state: State) -> str | None:
    return None if state.key is None else plan.id(state.key[1])


def _identity(plan: Plan, state: State) -> tuple[type, tuple[Any, ...]]:
    """What begins the identity key of an object that has none yet."""
    return state.mapper.base_mapper.class_, tuple(state.dict.get(key) for key in plan.key)


def _old(state: State, key: str) -> Any:
    """The value from before, if it is known."""
    old = state.committed_state.get(key, _UNKNOWN)
    if old is _UNKNOWN:
        return state.dict.get(key, _UNKNOWN)
    return _UNKNOWN if old is NO_VALUE else old


def _is_expression(value: Any) -> bool:
    return isinstance(value, ClauseElement) or hasattr(value, "__clause_element__")
