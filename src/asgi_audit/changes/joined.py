"""Changes of sessions that have joined a transaction which somebody else began: they wait for its end.

SQLAlchemy tells of a connection's commit right before it, so a COMMIT that fails is the one case in which changes are
on record that were rolled back.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.sql.elements import RollbackToSavepointClause, SavepointClause

from asgi_audit.changes.ledger import Tallies


class Joined:
    """One connection whose transaction is not the sessions' own."""

    def __init__(self, connection: Connection, publish: Callable[[Tallies], None]) -> None:
        self._publish = publish
        self._waiting: list[Tallies] = []
        self._savepoints: dict[str, int] = {}  # how many were waiting when it was made
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "rollback", self._rollback)
        event.listen(connection, "after_cursor_execute", self._executed)

    def add(self, tallies: Tallies) -> None:
        """Keep the changes of a session that has committed."""
        self._waiting.append(tallies)

    def _commit(self, _connection: Connection) -> None:
        waiting, self._waiting = self._waiting, []
        self._savepoints.clear()
        for tallies in waiting:
            self._publish(tallies)

    def _rollback(self, _connection: Connection) -> None:
        self._waiting.clear()
        self._savepoints.clear()

    def _executed(
        self, _connection: Connection, _cursor: object, _sql: str, _values: object, context: Any, _: bool
    ) -> None:
        """Mind the savepoints, whoever makes them. Their own events do not tell their names."""
        element = None if context.compiled is None else context.compiled.statement
        if isinstance(element, SavepointClause):
            self._savepoints[element.ident] = len(self._waiting)
        elif isinstance(element, RollbackToSavepointClause):
            del self._waiting[self._savepoints.pop(element.ident, 0) :]
