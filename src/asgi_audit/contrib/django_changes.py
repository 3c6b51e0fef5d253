"""What becomes of rows: the changes that Django's ORM commits, on the record of the request that made them.

No query is made. Signals would not do: who listens to the deletion of objects, or to many-to-many changes, makes
Django fetch what it would not fetch otherwise. So this stands around the methods of `Model` that touch one row, and
sums up every other statement as the connection executes it.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Self

from asgi_audit.errors import ConfigurationError
from asgi_audit.handover import hand_over, note, origin
from asgi_audit.literals import told
from asgi_audit.record import Change
from asgi_audit.tally import Tally
from asgi_audit.trail import AuditTrail

try:
    from django.apps import apps
    from django.db import connections, transaction
    from django.db.backends.signals import connection_created
    from django.db.models import Model

    from asgi_audit.contrib import django_rows as rows
    from asgi_audit.contrib.django_savepoints import mind_savepoints, savepoints_of
except ImportError as error:
    raise ImportError("asgi_audit.contrib.django_changes needs Django: pip install 'django>=4.2'") from error

_FAILED: Final = "changes of a session could not be captured"
_NEVER: Final = frozenset({"django_session", "django_migrations"})  # a session's key is a secret
_active: "Capture | None" = None


class _Batch:
    """Changes of one transaction, or of one savepoint in it; Django calls it once that is committed, or never."""

    def __init__(self, trail: AuditTrail | None) -> None:
        self.origin = origin()
        self.tally = Tally()
        self.committed = False
        self._trail = trail

    def __call__(self) -> None:
        self.committed = True
        hand_over(self.origin, self.tally, self._trail)


class Capture:
    """Watches models; made by `capture_changes`. `remove` ends it, as the end of a `with` block does."""

    def __init__(self, models: tuple[type[Model], ...], trail: AuditTrail | None) -> None:
        self._models = models
        self._trail = trail
        self._tables = {table for model in models for table in rows.tables_of(model)}
        self._names = {name for model in apps.get_models(include_auto_created=True) for name in rows.names_of(model)}
        self._left_out = {*_NEVER, *(model._meta.db_table for model in apps.get_models() if rows.is_left_out(model))}
        self._restore = rows.stand_around(self)
        connection_created.connect(self._connected)
        self.attend()

    def remove(self) -> None:
        """Watch no more. What is not committed by now is, as soon as it is."""
        global _active
        if _active is not self:
            return
        _active = None
        self._restore()
        connection_created.disconnect(self._connected)
        for connection in connections.all(initialized_only=True):
            with suppress(ValueError):
                connection.execute_wrappers.remove(self._execute)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def attend(self) -> None:
        """Watch this thread's connections, also those that were made before."""
        for connection in connections.all(initialized_only=True):
            self._connected(connection)

    def add(self, change: Change, using: str) -> rows.Batch:
        """Put a change aside until it is committed; with others of its transaction, savepoint and request."""
        connection = connections[using]
        waiting = connection.run_on_commit
        if connection.in_atomic_block and len(waiting) > max(savepoints_of(connection).values(), default=0):
            savepoints, batch, *_ = waiting[-1]
            if savepoints == set(connection.savepoint_ids) and isinstance(batch, _Batch) and batch.origin == origin():
                batch.tally.add(change)
                return batch
        batch = _Batch(self._trail)
        batch.tally.add(change)
        transaction.on_commit(batch, using)
        return batch

    def has_dropped(self, batch: rows.Batch, using: str) -> bool:
        """Whether what is in it was rolled back."""
        return not batch.committed and all(each[1] is not batch for each in connections[using].run_on_commit)

    def watches(self, table: str) -> bool:
        """Whether changes of the table are to be on record."""
        return table not in self._left_out and (not self._models or table in self._tables)

    def guard(self, work: Callable[..., None], *args: Any) -> None:
        """Do it; its failure is counted, and not the transaction's."""
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001 - models, fields and values are the application's
            note(self._trail, _FAILED, error)

    def _connected(self, connection: Any, **_: object) -> None:
        if self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.insert(0, self._execute)  # who adds another for a while, takes the last away

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        if _active is self:  # connections of other threads still call us
            self.guard(self._executed, str(sql), params, context)
        return result

    def _executed(self, sql: str, params: Any, context: dict[str, Any]) -> None:
        if mind_savepoints(context["connection"], sql, _Batch):
            return
        found = list(told(sql, self._names))
        cursor = context["cursor"]
        count = cursor.rowcount if len(found) == 1 else -1
        if count == 0 and cursor.description is not None:
            count = -1  # of rows that come back, nobody has counted any yet
        for each in found:
            if count != 0 and self.watches(each.type) and not rows.is_being_saved(each.type):
                using = context["connection"].alias
                deleted = rows.deletion(each, params, context["connection"])
                self.add(deleted or each.change(count if count >= 0 else None), using)


def capture_changes(*models: type[Model], trail: AuditTrail | None = None) -> Capture:
    """Put what Django's ORM changes on record, once it is committed; of all models, or of those that are given.

    Changes made in a request are on its record; those made outside of any are events of `trail`, and without a `trail`
    counted as a failure. Call it when the applications are loaded, in `AppConfig.ready()` or `asgi.py`.
    """
    global _active
    for model in models:
        if not hasattr(model, "_meta"):
            raise ConfigurationError("models", model, "give classes of models, or none for all of them")
    if trail is not None and not isinstance(trail, AuditTrail):
        raise ConfigurationError("trail", trail, "pass an AuditTrail, or leave it out")
    if _active is not None:
        raise ConfigurationError("models", models, "changes are captured already; remove() that capture first")
    _active = Capture(models, trail)
    return _active
