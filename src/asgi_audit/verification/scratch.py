"""Where a verification keeps what it can't keep in memory: an SQLite database that is gone when it is closed."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16000;
CREATE TABLE expected (size INTEGER, origin TEXT, root BLOB, source TEXT, anchored INTEGER, time INTEGER,
    PRIMARY KEY (size, origin, root, source)) WITHOUT ROWID;
CREATE INDEX kept ON expected (anchored, size, time);
CREATE TABLE signed (size INTEGER, origin TEXT, root BLOB, PRIMARY KEY (size, origin, root)) WITHOUT ROWID;
CREATE TABLE good (size INTEGER, root BLOB, PRIMARY KEY (size, root)) WITHOUT ROWID;
CREATE TABLE strangers (origin TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE restarts (after TEXT, origin TEXT, size INTEGER, idx INTEGER, PRIMARY KEY (after, origin)) WITHOUT ROWID;
CREATE TABLE alive (origin TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID;
CREATE TABLE excuses (origin TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID;
CREATE TABLE runs (writer TEXT, low INTEGER, high INTEGER, since INTEGER, purged INTEGER);
CREATE TABLE allowances (writer TEXT, records INTEGER);
CREATE TABLE ends (writer TEXT, records INTEGER);
CREATE TABLE sound (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE allowed (record TEXT, part TEXT, id TEXT, PRIMARY KEY (record, part, id)) WITHOUT ROWID;
CREATE TABLE erased (record TEXT, part TEXT, idx INTEGER, writer TEXT);
CREATE TABLE ranges (first INTEGER, last INTEGER, digest TEXT, id TEXT);
CREATE TABLE absent (first INTEGER, last INTEGER);
"""


class Scratch:
    """A few tables. SQLite keeps small ones in memory, and writes large ones to a file without a name."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_TABLES)

    def add(self, table: str, *values: Any) -> None:
        """Put a row into a table; one with a key that is there already stays out."""
        marks = ", ".join("?" * len(values))
        self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)  # noqa: S608 - our own names

    def add_all(self, table: str, rows: Iterable[tuple[Any, ...]], columns: int) -> None:
        """Put rows into a table."""
        marks = ", ".join("?" * columns)
        self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608 - our own names

    def run(self, statements: str) -> None:
        """Do what they say."""
        self._database.executescript(statements)

    def ask(self, statement: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """What a statement gives, row by row."""
        return iter(self._database.execute(statement, values))

    def count(self, statement: str, *values: Any) -> int:
        """The first value that a statement gives; 0 for none."""
        row = self._database.execute(statement, values).fetchone()
        return int(row[0] or 0) if row is not None else 0

    def close(self) -> None:
        """Forget everything."""
        self._database.close()
