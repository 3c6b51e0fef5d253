"""Records as CSV (RFC 4180), for spreadsheets."""

import csv
from collections.abc import Callable
from typing import Any, Final, TextIO

from asgi_audit.cli import cells
from asgi_audit.record import Record

_COLUMNS: Final[dict[str, Callable[[Record], Any]]] = {
    "time": lambda record: record.time.isoformat(),
    "id": lambda record: record.id,
    "kind": lambda record: record.kind,
    "outcome": lambda record: record.outcome,
    "status": lambda record: record.status,
    "duration_us": lambda record: record.duration_us,
    "action": lambda record: record.action,
    "actor": lambda record: record.actor and record.actor.id,
    "actor_type": lambda record: record.actor and record.actor.type,
    "actor_name": lambda record: record.actor and record.actor.name,
    "on_behalf_of": lambda record: record.actor and cells.actor(record.actor.on_behalf_of),
    "targets": lambda record: "; ".join(map(cells.target, record.targets or ())),
    "reason": lambda record: record.reason,
    "method": lambda record: record.request and record.request.method,
    "path": lambda record: record.request and record.request.path,
    "route": lambda record: record.request and record.request.route,
    "ip": cells.address,
    "user_agent": lambda record: record.source and record.source.user_agent,
    "request_id": lambda record: record.request and record.request.id,
    "trace_id": lambda record: record.request and record.request.trace_id,
    "error": lambda record: record.error and record.error.type,
    "tenant": lambda record: record.tenant,
    "service": lambda record: record.service,
    "parent": lambda record: record.parent,
}


class Spreadsheet:
    """Writes one row per record below a row of titles."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file, lineterminator="\r\n")
        self._writer.writerow(_COLUMNS)

    def write(self, record: Record) -> None:
        """Write the record's row."""
        self._writer.writerow([harmless(cell(record)) for cell in _COLUMNS.values()])


def harmless(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets an apostrophe in front, which makes it a text.

    A client may name itself `=HYPERLINK(…)` (see OWASP, "CSV injection").
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value
