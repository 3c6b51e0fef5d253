"""Capturing what sessions change, and handing it to the record it belongs on once it is committed.

Rule 1: no query, ever. Only what SQLAlchemy already has in memory is looked at.
Rule 2: nothing is on record before the outermost transaction has committed, and nothing of what was rolled back.
Rule 3: what cannot be shown row by row is summed up; what fails is counted. Neither is silent, nor fails a flush.
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction

from asgi_audit.changes.joined import Joined
from asgi_audit.changes.ledger import INFO, Ledger, Tallies
from asgi_audit.changes.plan import plan_of
from asgi_audit.changes.rows import look_ahead, written
from asgi_audit.changes.statement import Statement, besides, count_of, element_of, made_by_mapper, pairs
from asgi_audit.changes.target import Sessions, Target, target_of
from asgi_audit.errors import ConfigurationError
from asgi_audit.handover import hand_over, note
from asgi_audit.trail import AuditTrail

_FAILED: Final = "changes of a session could not be captured"
_EXECUTED: Final = "after_cursor_execute"

_P = ParamSpec("_P")
_Self = TypeVar("_Self", bound="Capture")
_captures: WeakKeyDictionary[Any, "ref[Capture]"] = WeakKeyDictionary()


def _guarded(handler: Callable[Concatenate[_Self, _P], None]) -> Callable[Concatenate[_Self, _P], None]:
    """A handler whose failure is counted, and not the transaction's."""

    @functools.wraps(handler)
    def guarded(self: _Self, /, *args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            handler(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - mapped classes, types and values are the application's
            self.note(_FAILED, error)

    return guarded


class Capture:
    """Listens to sessions; made by `capture_changes`. `remove` ends it, as the end of a `with` block does."""

    def __init__(self, target: Target, trail: AuditTrail | None) -> None:
        self.trail = trail
        self.active = True
        self._undo = target.undo
        self._sessions = ref(target.sessions)
        self._watched: WeakKeyDictionary[Connection, ref[Session] | None] = WeakKeyDictionary()
        self._engines: WeakSet[Engine] = WeakSet()
        self._joined: WeakKeyDictionary[Connection, Joined] = WeakKeyDictionary()
        self._handlers: dict[str, Callable[..., None]] = {
            "after_transaction_create": self._transaction_created,
            "after_begin": self._begun,
            "before_flush": self._flushing,
            "after_flush": self._flushed,
            "after_commit": self._committed,
            "after_transaction_end": self._transaction_ended,
        }
        for name, handler in self._handlers.items():
            event.listen(target.sessions, name, handler)
        if isinstance(target.bind, Engine):
            self._listen(target.bind)

    def remove(self) -> None:
        """Listen no more. What was not committed by now is not recorded."""
        if not self.active:
            return
        self.active = False
        sessions = self._sessions()
        if sessions is not None:
            _captures.pop(sessions, None)
            for name, handler in self._handlers.items():
                event.remove(sessions, name, handler)
        for engine in list(self._engines):
            event.remove(engine, _EXECUTED, self._executed)
        self._watched.clear()
        self._undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def note(self, kind: str, error: BaseException | None = None) -> None:
        """Count a failure, where it is most likely seen."""
        note(self.trail, kind, error)

    def _ledger(self, session: Session) -> Ledger | None:
        """The session's ledger, unless another capture keeps it."""
        ledger: Ledger | None = session.info.get(INFO)
        if ledger is None or not ledger.owner.active:
            ledger = session.info[INFO] = Ledger(self, session)
        return ledger if ledger.owner is self else None

    def _listen(self, engine: Engine) -> None:
        """Listen to the engine, once: to do so at each connection would cost more than all the rest."""
        if engine not in self._engines:
            self._engines.add(engine)
            event.listen(engine, _EXECUTED, self._executed)

    @_guarded
    def _transaction_created(self, session: Session, transaction: SessionTransaction) -> None:
        if (ledger := self._ledger(session)) is None:
            return
        ledger.settle()
        if transaction.nested:
            ledger.begin(transaction)
        elif transaction.parent is None:
            ledger.clear()

    @_guarded
    def _begun(self, session: Session, _: SessionTransaction, connection: Connection) -> None:
        if (ledger := self._ledger(session)) is None:
            return
        self._listen(connection.engine)
        self._watched[connection] = ref(session)
        ledger.connections.add(connection)

    @_guarded
    def _flushing(self, session: Session, flush: UOWTransaction, _: object) -> None:
        if (ledger := self._ledger(session)) is not None:
            ledger.leave_flush()
            ledger.flush = flush
            ledger.early = look_ahead(session)

    @_guarded
    def _executed(
        self, connection: Connection, cursor: Any, sql: str, _parameters: object, context: Any, _many: bool
    ) -> None:
        reference = self._watched.get(connection)
        session = None if reference is None else reference()
        ledger = None if session is None else self._ledger(session)
        if ledger is None or ledger.context is context:
            return
        ledger.context = context
        element = element_of(context)
        if element is not None:
            statement = Statement(element, count_of(cursor, context, element))
            if made_by_mapper(context):
                ledger.put_aside(statement)
                return
            if ledger.flush is not None and _joins(ledger.flush, element):
                ledger.pairs += pairs(context, element)
            elif statement.rows != 0:
                ledger.add([statement.change()])
        if found := list(besides(cursor, context, sql)):
            ledger.add(found)

    @_guarded
    def _flushed(self, session: Session, flush: UOWTransaction) -> None:
        if (ledger := self._ledger(session)) is not None:
            ledger.claim()
            pairs, early = ledger.pairs, ledger.early
            ledger.leave_flush()
            ledger.add(written(flush, early))
            ledger.add(pairs)

    @_guarded
    def _committed(self, session: Session) -> None:
        if (ledger := self._ledger(session)) is None:
            return
        ledger.settle()
        if session.in_nested_transaction():
            ledger.release()
            return
        joined = next((connection for connection in ledger.connections if connection.in_transaction()), None)
        tallies = ledger.take()
        if joined is None:
            self._publish(tallies)
        else:
            if joined not in self._joined:
                self._joined[joined] = Joined(joined, self._publish)
            self._joined[joined].add(tallies)

    @_guarded
    def _transaction_ended(self, session: Session, transaction: SessionTransaction) -> None:
        if (ledger := self._ledger(session)) is None:
            return
        if transaction.nested:
            ledger.drop(transaction)
        elif transaction.parent is not None:
            ledger.settle()
            ledger.leave_flush()
        else:
            for connection in ledger.connections:
                self._watched[connection] = None
            ledger.clear()

    def _publish(self, tallies: Tallies) -> None:
        for here, tally in tallies.items():
            hand_over(here, tally, self.trail)


def capture_changes(sessions: Sessions, *, trail: AuditTrail | None = None) -> Capture:
    """Put what sessions change on record, once it is committed: `capture_changes(Session)`.

    `sessions`: a `sessionmaker`, `async_sessionmaker`, `scoped_session`, a class of sessions or a session. Changes made
    in a request are on its record; those made outside of any are an event of `trail`, one for each commit, and without
    a `trail` counted as a failure. Called again for the same sessions, it returns the same capture.
    """
    if trail is not None and not isinstance(trail, AuditTrail):
        raise ConfigurationError("trail", trail, "pass an AuditTrail, or leave it out")
    target = target_of(sessions)
    reference = _captures.get(target.sessions)
    capture = None if reference is None else reference()
    if capture is None:
        capture = Capture(target, trail)
        _captures[target.sessions] = ref(capture)
    elif trail is not capture.trail:
        raise ConfigurationError("trail", trail, "these sessions are captured already; remove() that capture first")
    return capture


def _joins(flush: UOWTransaction, element: Any) -> bool:
    """Whether the table is an association of what is being flushed."""
    return any(element.table in plan_of(mapper).associations for mapper in {state.mapper for state in flush.states})
