"""Savepoints that an application makes itself: what waits for the commit is not Django's to drop then.

Django drops what a rolled back `atomic()` has put aside for the commit. Of `transaction.savepoint()` it does not know
what was put aside since; the statements tell.
"""

import re
from typing import Any, Final

_MARKS: Final = "asgi_audit_savepoints"  # in the connection
_STATEMENT: Final = re.compile(r"(ROLLBACK TO )?SAVEPOINT (.+)")


def savepoints_of(connection: Any) -> dict[str, int]:
    """How much was waiting for the commit when each savepoint was made."""
    found: dict[str, int] = connection.__dict__.setdefault(_MARKS, {})
    if not connection.run_on_commit:
        found.clear()  # those of another transaction
    return found


def mind_savepoints(connection: Any, sql: str, kind: type) -> bool:
    """Drop what of a kind has come since the savepoint to which a statement goes back. Whether it is about one."""
    found = _STATEMENT.fullmatch(sql)
    if found is None:
        return False
    back, name = found.groups()
    if back is None:
        savepoints_of(connection)[name] = len(connection.run_on_commit)
    else:
        at = savepoints_of(connection).get(name, 0)
        since = [each for each in connection.run_on_commit[at:] if not isinstance(each[1], kind)]
        connection.run_on_commit[at:] = since
    return True
