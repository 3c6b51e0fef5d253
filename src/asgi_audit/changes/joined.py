"""Changes of sessions that have joined a transaction which somebody else began: they wait for its end.

SQLAlchemy tells of a connection's commit right before it, so a COMMIT that fails is the one case in which changes are
on record that were rolled back.
"""

from collections.abc import Callable

from sqlalchemy import Connection, event

from asgi_audit.changes.ledger import Tallies


class Joined:
    """One connection whose transaction is not the sessions' own."""

    def __init__(self, connection: Connection, publish: Callable[[Tallies], None]) -> None:
        self._publish = publish
        self._waiting: list[Tallies] = []
        self._savepoints: dict[str, int] = {}  # how many were waiting when it was made
        event.listen(connection, "commit", self._commit)
        event.listen(connection, "rollback", self._rollback)
        event.listen(connection, "savepoint", self._savepoint)
        event.listen(connection, "rollback_savepoint", self._rollback_savepoint)

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

    def _savepoint(self, _connection: Connection, name: str) -> None:
        self._savepoints[name] = len(self._waiting)

    def _rollback_savepoint(self, _connection: Connection, name: str, _context: None) -> None:
        del self._waiting[self._savepoints.pop(name, 0) :]
