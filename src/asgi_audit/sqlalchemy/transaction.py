"""The transaction that SQLite's drivers put off until the first row changes.

DDL would not be part of it, and a savepoint would be a transaction of its own, which ends with a commit.
"""

from typing import Any

import sqlalchemy as sa


def begin(connection: sa.Connection) -> None:
    """On SQLite begin it now, as a writer, unless it has begun; elsewhere there is nothing to do."""
    if connection.dialect.name == "sqlite" and not _has_begun(connection.connection.driver_connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _has_begun(driver: Any) -> bool:
    begun: bool = driver.in_transaction  # both sqlite3's connection and aiosqlite's have it
    return begun
