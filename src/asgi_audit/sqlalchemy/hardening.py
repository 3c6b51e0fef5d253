"""Reading from a database whose owner may have put anything there."""

import sqlite3
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

#: Bytes of one value; a larger one is refused by the database before it is in our memory.
LARGEST: Final = 2**25


async def harden(connection: AsyncConnection) -> None:
    """Let SQLite give back the bytes of any text, and no value that is larger than one of ours can be."""
    if connection.dialect.driver != "aiosqlite":
        return
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    driver.text_factory = _text
    await driver._execute(driver._conn.setlimit, sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)


def as_bytes(stored: object) -> bytes:
    """What was stored, as bytes, whatever it is: what is no text can still be sealed and told apart."""
    if isinstance(stored, str):
        return stored.encode(errors="surrogateescape")
    return bytes(stored) if isinstance(stored, bytes | memoryview) else repr(stored).encode()


def _text(content: bytes) -> str:
    return content.decode(errors="surrogateescape")
