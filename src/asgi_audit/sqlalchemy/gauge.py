"""How large stored values are, as the database sees it: before they are in our memory."""

from typing import Any, Final

import sqlalchemy as sa

from asgi_audit.sqlalchemy.schema import records

_LONGEST_ID: Final = 36
_NUMBER: Final = 16  # bytes that PostgreSQL takes for one that we could have stored, and some


class Gauge:
    """Expressions for one dialect. Only SQLite holds anything in any column, and only PostgreSQL's are trusted besides.

    Of other databases values are taken as they come.
    """

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self.sqlite = dialect == "sqlite"

    def text(self, column: sa.ColumnElement[Any], most: int) -> sa.ColumnElement[Any]:
        """The text or the bytes, whatever is there; NULL if there is more than so many bytes."""
        bare = sa.type_coerce(column, sa.types.NULLTYPE)
        if self.sqlite:
            return sa.case((self._bytes(column) <= most, bare))
        return sa.case((sa.func.octet_length(column) <= most, bare)) if self._dialect == "postgresql" else bare

    def number(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """The number or the time; NULL if it can't be one."""
        bare = sa.type_coerce(column, sa.types.NULLTYPE)
        if self.sqlite:
            return sa.case((self._bytes(column) <= 2 * _LONGEST_ID, bare))
        return sa.case((sa.func.pg_column_size(column) <= _NUMBER, bare)) if self._dialect == "postgresql" else bare

    def record_id(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """The id; NULL if it can't be one."""
        return sa.case((self.is_id(column), column)) if self.sqlite else column

    def is_id(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Whether this could be an id, and be asked for."""
        if not self.sqlite:
            return column.is_not(None)
        printable = sa.not_(column.bool_op("GLOB")("*[^ -~]*"))
        return sa.and_(sa.func.typeof(column) == "text", self._bytes(column) <= _LONGEST_ID, printable)

    def row(self) -> sa.ColumnElement[Any]:
        """How large a row's values are together."""
        total: sa.ColumnElement[Any] = sa.literal_column("0", sa.BigInteger)
        for column in records.c:
            total = total + sa.func.coalesce(self._bytes(column), sa.literal_column("0"))
        return total

    def _bytes(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        if self.sqlite:
            return sa.func.length(sa.cast(column, sa.LargeBinary))
        # Whatever has been made of the type since.
        return sa.func.octet_length(sa.cast(column, sa.Text))
