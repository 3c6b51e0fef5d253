"""A short stay in the database: one connection, whose user can be cancelled whether the server answers or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import harden
from asgi_audit.sqlalchemy.migrations import require

_FAREWELL: Final = 2.0  # seconds in which a server that answers says goodbye


@asynccontextmanager
async def visiting(database: Database) -> AsyncIterator[AsyncConnection]:
    """Connect to a database that exists and has our tables, in the version that we know."""
    database.require_file()
    engine = database.writing()
    try:
        connection = await engine.connect()
        try:
            await harden(connection)
            await connection.run_sync(require, database.name)
            await connection.rollback()
            yield connection
        except Exception:
            await _close(connection)
            raise
        except BaseException:
            await _give_up(connection)
            raise
        await _close(connection)
    finally:
        await engine.dispose()


async def _close(connection: AsyncConnection) -> None:
    try:
        async with asyncio.timeout(_FAREWELL):
            await connection.close()
    except (SQLAlchemyError, OSError):  # a TimeoutError is an OSError
        await _give_up(connection)


async def _give_up(connection: AsyncConnection) -> None:
    """Without a word to a server that may hang. SQLite has a thread, which must not outlive its loop."""
    held = connection.sync_connection
    if held is None or held.closed or held.invalidated:
        return
    driver: Any = held.connection.driver_connection
    farewell = None
    if connection.dialect.driver == "aiosqlite":
        await driver.interrupt()
        farewell = driver.stop()
    held.invalidate()
    if farewell is not None:
        await asyncio.wait({farewell}, timeout=_FAREWELL)
