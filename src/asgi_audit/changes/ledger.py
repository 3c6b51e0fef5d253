"""What a session has changed in its transaction so far, and on whose record it belongs."""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction

from asgi_audit.changes.rows import Early
from asgi_audit.changes.statement import Statement
from asgi_audit.context import Current
from asgi_audit.handover import origin
from asgi_audit.record import Change
from asgi_audit.tally import Tally

INFO: Final = "asgi_audit"  # the ledger's place in the session's `info`

Tallies: TypeAlias = dict[Current, Tally]


class Ledger:
    """The changes of one session: a level for the transaction, and one for each savepoint in it.

    A change belongs to the request in which it was flushed, wherever the session is committed. What the unit of work
    executes is put aside until it is known whether a flush has executed it; that knows its rows better.
    """

    def __init__(self, owner: Any, session: Session) -> None:
        self.owner = owner  # the capture that keeps it
        self.flush: UOWTransaction | None = None
        self.early: Early = {}
        self.pairs: list[Change] = []
        self.connections: set[Connection] = set()
        self.context: Any = None  # of the last statement: one that is executed in batches is told several times
        self._aside: list[tuple[Current, Statement]] = []
        savepoint = session.get_nested_transaction()
        open_savepoints: list[SessionTransaction | None] = []
        while savepoint is not None and savepoint.nested:
            open_savepoints.append(savepoint)
            savepoint = savepoint.parent
        #: The outermost level has no savepoint.
        self._levels: list[tuple[SessionTransaction | None, Tallies]] = [
            (each, {}) for each in [None, *reversed(open_savepoints)]
        ]

    def add(self, changes: Iterable[Change]) -> None:
        """Add changes that are made here and now."""
        tally = self._tally(origin())
        tally += changes

    def put_aside(self, statement: Statement) -> None:
        """Keep a statement of the unit of work."""
        self._aside.append((origin(), statement))

    def settle(self) -> None:
        """Add what was put aside: no flush has claimed it."""
        for here, statement in self._aside:
            if statement.rows != 0:
                self._tally(here).add(statement.change())
        self._aside.clear()

    def claim(self) -> None:
        """Forget what was put aside: a flush has executed it."""
        self._aside.clear()

    def begin(self, savepoint: SessionTransaction) -> None:
        """Begin a savepoint."""
        self._levels.append((savepoint, {}))

    def release(self) -> None:
        """Release the innermost savepoint: its changes are those of the transaction around it."""
        _, tallies = self._levels.pop()
        for here, tally in tallies.items():
            around = self._tally(here)
            around += tally

    def drop(self, savepoint: SessionTransaction) -> None:
        """End a savepoint; unless it was released, its changes are undone, and those of savepoints in it."""
        for place, (each, _) in enumerate(self._levels):
            if each is savepoint:
                del self._levels[place:]
                return

    def take(self) -> Tallies:
        """Take out all of it."""
        tallies = {here: tally for here, tally in self._levels[0][1].items() if tally}
        self.clear()
        return tallies

    def clear(self) -> None:
        """Begin anew."""
        self._levels = [(None, {})]
        self._aside.clear()
        self.connections.clear()
        self.context = None
        self.leave_flush()

    def leave_flush(self) -> None:
        """The flush is over, if there was one."""
        self.flush = None
        self.early = {}
        self.pairs = []

    def _tally(self, here: Current) -> Tally:
        tallies = self._levels[-1][1]
        tally = tallies.get(here)
        if tally is None:
            tally = tallies[here] = Tally()
        return tally
