"""A row of `audit_records` as a verifier takes it, whatever the database has made of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy.schema import COLUMNS

_TIME: Final = COLUMNS.index("time")


def as_row(values: Sequence[Any]) -> dict[str, Any]:
    """By the names of the columns, with the time as text."""
    row = list(values)
    time = row[_TIME]
    if isinstance(time, datetime):
        row[_TIME] = utc_text(time if time.tzinfo is not None else time.replace(tzinfo=UTC))
    return dict(zip(COLUMNS, row, strict=True))
