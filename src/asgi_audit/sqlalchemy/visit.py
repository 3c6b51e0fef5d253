"""A short stay in the database: one connection, whose user can be cancelled whether the server answers or not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.hardening import harden
from asgi_audit.sqlalchemy.migrations import require
from asgi_audit.verification.evidence import Unreadable

_UNREADABLE: Final = (OverflowError, UnicodeError)
_FAREWELL: Final = 2.0  # seconds in which a server that answers says goodbye


@asynccontextmanager
async def visiting(database: Database) -> AsyncIterator[AsyncConnection]:
    """Connect to a database that exists and has our tables, in the version that we know.

    Raises `Unreadable` in the place of what a driver raises that can't make Python's objects of what is stored.
    """
    database.require_file()
    engine = database.writing()
    if engine.dialect.driver == "aiosqlite":
        event.listen(engine.sync_engine, "invalidate", _roll_back)
    try:
        connection = await engine.connect()
        try:
            await harden(connection)
            await connection.run_sync(require, database.name)
            await connection.rollback()
            yield connection
        except Exception as error:
            await _close(connection)
            if isinstance(error, _UNREADABLE):
                raise Unreadable(f"the database holds what can't be read: {error}") from None
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
    if connection.dialect.driver == "asyncpg":
        driver.terminate()
    with suppress(SQLAlchemyError, OSError):
        async with asyncio.timeout(_FAREWELL):
            await connection.invalidate()
            await connection.close()


def _roll_back(dbapi_connection: Any, *_: object) -> None:
    """Let go of SQLite's lock before the connection is closed, which does not do it while its cursors live.

    And they do: in the traceback of the cancellation.
    """
    driver = dbapi_connection.driver_connection
    if driver._connection is not None:
        driver._connection.interrupt()
        driver._tx.put_nowait((None, driver._connection.rollback))
