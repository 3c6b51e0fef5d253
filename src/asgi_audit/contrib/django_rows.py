"""Django's objects as rows: what they were when they were loaded, and what saving or deleting them has changed."""

import functools
from collections.abc import Callable, Collection, Iterator, Set
from contextvars import ContextVar
from typing import Any, Final, Protocol

from django.db.models import Model

from asgi_audit.exclusion import excluded_by, key_mask
from asgi_audit.literals import Told
from asgi_audit.record import Change
from asgi_audit.snapshot import COMPUTED, EXCLUDED, key_text, snapshot

_MEMORY: Final = "asgi_audit"  # in the object's `_state`: its values as they were loaded or saved last
_SAVED: Final = "asgi_audit_saved"  # there, too: what was saved since, and what it was before
_UNKNOWN: Final = object()
#: The table that an object is just being saved to, or the object that is just being deleted.
_busy: ContextVar[Any] = ContextVar("asgi_audit_busy", default=None)


class Batch(Protocol):
    """Changes that wait for the end of a transaction."""

    committed: bool


class Watcher(Protocol):
    """Who is told of changes."""

    def attend(self) -> None:
        """See to it that this thread's statements are seen."""

    def add(self, change: Change, using: str) -> Batch:
        """Take a change that is not committed yet."""

    def has_dropped(self, batch: Batch, using: str) -> bool:
        """Whether it was rolled back."""

    def watches(self, table: str) -> bool:
        """Whether changes of the table are wanted."""

    def guard(self, work: Callable[..., None], *args: Any) -> None:
        """Do it, and count its failure."""


def tables_of(model: Any) -> Iterator[str]:
    """The tables of a model, those that it inherits and those of its many-to-many relations included."""
    yield from (cls._meta.db_table for cls in [model, *model._meta.get_parent_list()])
    yield from (field.remote_field.through._meta.db_table for field in model._meta.many_to_many)


def names_of(model: Any) -> Iterator[str]:
    """How its table and its columns are called."""
    yield model._meta.db_table
    yield from (field.column for field in model._meta.local_concrete_fields)


def is_left_out(model: Any) -> bool:
    """Whether `__audit_exclude__` keeps all of it off the record."""
    return _shape(model)[2]


def is_being_saved(table: str) -> bool:
    """Whether it is an object that is being saved there, which tells more than its statement."""
    busy = _busy.get()
    return isinstance(busy, str) and busy == table


def deletion(told: Told, params: Any, connection: Any) -> Change | None:
    """The row that a statement deletes, if it is of the object that is just being deleted."""
    busy = _busy.get()
    if told.operation != "delete" or not isinstance(busy, Model):
        return None
    for cls in [type(busy), *busy._meta.get_parent_list()]:
        if cls._meta.db_table == told.type:
            key = cls._meta.pk.get_db_prep_value(busy.pk, connection)
            return _deleted(cls, busy) if list(params or ()) == [key] else None
    return None


def stand_around(watcher: Watcher) -> Callable[[], None]:
    """Watch the methods of `Model` that touch one row, until what is returned is called."""
    own = {name: Model.__dict__[name] for name in ("from_db", "refresh_from_db", "_save_table", "delete")}
    from_db, refresh, save, delete = own["from_db"].__func__, own["refresh_from_db"], own["_save_table"], own["delete"]

    @functools.wraps(from_db)
    def loaded(cls: Any, *args: Any, **kwargs: Any) -> Any:
        instance = from_db(cls, *args, **kwargs)
        watcher.guard(_remember, instance)
        return instance

    @functools.wraps(refresh)
    def refreshed(self: Any, using: Any = None, fields: Any = None, *args: Any, **kwargs: Any) -> None:
        refresh(self, using, fields, *args, **kwargs)
        watcher.guard(_remember, self, fields)

    @functools.wraps(save)
    def saved(self: Any, raw: bool = False, cls: Any = None, *args: Any, **kwargs: Any) -> Any:
        watcher.attend()
        token = _busy.set(cls._meta.db_table)
        try:
            updated = save(self, raw, cls, *args, **kwargs)
        finally:
            _busy.reset(token)
        if watcher.watches(cls._meta.db_table):
            only = kwargs["update_fields"] if "update_fields" in kwargs else args[3]
            using = kwargs["using"] if "using" in kwargs else args[2]
            watcher.guard(_saved, watcher, cls, self, updated, only, using)
        return updated

    @functools.wraps(delete)
    def deleted(self: Any, *args: Any, **kwargs: Any) -> Any:
        watcher.attend()
        watcher.guard(_take_back, watcher, self)
        token = _busy.set(self)
        try:
            return delete(self, *args, **kwargs)
        finally:
            _busy.reset(token)

    around = {"from_db": classmethod(loaded), "refresh_from_db": refreshed, "_save_table": saved, "delete": deleted}
    for name, method in around.items():
        setattr(Model, name, method)

    def restore() -> None:
        for name, method in own.items():
            setattr(Model, name, method)

    return restore


def _remember(instance: Any, only: Collection[str] | None = None) -> None:
    """Take the values for those of the database: all that are there, or only some, which have just been read."""
    memory = _memory(instance)
    for field in instance._meta.concrete_fields:
        if field.attname in instance.__dict__ and (only is None or {field.attname, field.name} & set(only)):
            memory[field.attname] = _value(field, instance)


def _take_back(watcher: Watcher, instance: Any) -> None:
    """What was rolled back since it was saved is not what the database has."""
    saved = instance._state.__dict__.get(_SAVED, [])
    kept = []
    for batch, using, before in reversed(saved):
        if watcher.has_dropped(batch, using):
            memory = _memory(instance)
            memory.update(before)
            for name in [name for name, value in memory.items() if value is _UNKNOWN]:
                del memory[name]
        elif not batch.committed:
            kept.append((batch, using, before))
    saved[:] = reversed(kept)


def _memory(instance: Any) -> dict[str, Any]:
    found: dict[str, Any] = instance._state.__dict__.setdefault(_MEMORY, {})
    return found


def _value(field: Any, instance: Any) -> Any:
    """The field's value as the database has it, without a look at the database. Bytes are compared, and not shown."""
    raw = instance.__dict__.get(field.attname)
    if hasattr(raw, "resolve_expression"):
        return COMPUTED
    value = field.get_prep_value(raw)
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else snapshot(value)


def _saved(watcher: Watcher, cls: Any, instance: Any, updated: bool, only: Set[str] | None, using: str) -> None:
    _take_back(watcher, instance)
    memory = _memory(instance)
    if any(field.primary_key and _differs(field, instance, memory) for field in cls._meta.local_concrete_fields):
        memory.clear()  # it stands for another row now
    known = {field.attname: memory.get(field.attname, _UNKNOWN) for field in cls._meta.local_concrete_fields}
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for field in cls._meta.local_concrete_fields:
        name = field.attname
        if name not in instance.__dict__ or (updated and only is not None and not {name, field.name} & set(only)):
            continue
        new = _value(field, instance)
        if not updated or name not in memory or memory[name] != new or new == COMPUTED:
            after[name] = new
            if updated and name in memory:
                before[name] = memory[name]
        memory[name] = new
    if updated:
        after = {name: value for name, value in after.items() if not _is_key(cls, name)}
    if after:
        batch = watcher.add(_change(cls, "update" if updated else "insert", instance, before, after), using)
        instance._state.__dict__.setdefault(_SAVED, []).append((batch, using, known))


def _differs(field: Any, instance: Any, memory: dict[str, Any]) -> bool:
    return field.attname in memory and memory[field.attname] != _value(field, instance)


def _deleted(cls: Any, instance: Any) -> Change:
    memory = _memory(instance)
    names = [field.attname for field in cls._meta.local_concrete_fields]
    return _change(cls, "delete", instance, {name: memory[name] for name in names if name in memory}, {})


def _is_key(cls: Any, name: str) -> bool:
    return any(field.attname == name and field.primary_key for field in cls._meta.local_concrete_fields)


def _change(cls: Any, operation: str, instance: Any, before: dict[str, Any], after: dict[str, Any]) -> Change:
    columns, hidden, _ = _shape(cls)

    def shown(values: dict[str, Any]) -> dict[str, Any]:
        return {columns[name]: EXCLUDED if name in hidden else snapshot(value) for name, value in values.items()}

    parts = instance.pk if isinstance(instance.pk, tuple) else (instance.pk,)
    key = [part if mask is None else mask for part, mask in zip(parts, _key_masks(cls), strict=True)]
    return Change(
        operation=operation, type=cls._meta.db_table, id=key_text(key), before=shown(before), after=shown(after)
    )


@functools.cache
def _shape(cls: Any) -> tuple[dict[str, str], frozenset[str], bool]:
    """Columns by attribute; those whose values stay out; whether all of it does."""
    fields = {field.attname: {field.attname, field.name, field.column} for field in cls._meta.local_concrete_fields}
    known = {name for field in cls._meta.concrete_fields for name in (field.attname, field.name, field.column)}
    excluded, left_out = excluded_by(cls, known)
    hidden = frozenset(name for name, names in fields.items() if excluded & {*names, "*"})
    return {field.attname: field.column for field in cls._meta.local_concrete_fields}, hidden, left_out


@functools.cache
def _key_masks(cls: Any) -> list[str | None]:
    """What stands for the parts of the key that must not be seen."""
    hidden = _shape(cls)[1]
    fields = getattr(cls._meta, "pk_fields", [cls._meta.pk])  # several since Django 5.2
    return [key_mask({field.attname}, field.column, hidden) for field in fields]
