"""The sink that keeps the trail in an SQL database."""

import asyncio
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import Any, Final

from sqlalchemy import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asgi_audit.errors import RecordRejected
from asgi_audit.integrity.mac import MacKey
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.intermission import Intermission
from asgi_audit.sqlalchemy.migrations import VERSION, current, require, upgrade
from asgi_audit.sqlalchemy.portable import PortableWriter
from asgi_audit.sqlalchemy.writer import SequenceConflict, Writer

_logger = logging.getLogger("asgi_audit")

#: The drivers that we know better than SQLAlchemy does, and the module whose `connect` makes their writer.
_WRITERS: Final = {"asyncpg": ".postgres", "aiosqlite": ".sqlite"}
#: How long a connection may take to say goodbye.
_FAREWELL: Final = 2.0
#: What a fork left behind: to close it, as the garbage collector would, is a message on the parent's socket.
_INHERITED: Final[list[object]] = []


class SQLAlchemySink:
    """Writes records into `audit_records`, over one connection of its own.

    Takes a URL (`sqlite:///…` and `postgresql://…` find their asynchronous drivers themselves) or an `AsyncEngine`, of
    which only the way it connects is used. The tables are created unless `create` is False. With a secret, `mac`, each
    record has a MAC, so that one that somebody else has put there is found out.
    """

    def __init__(
        self, url_or_engine: str | URL | AsyncEngine, *, create: bool = True, mac: MacKey | bytes | None = None
    ) -> None:
        self.database = Database(url_or_engine)
        self._create = create
        self.mac = mac if isinstance(mac, MacKey | None) else MacKey(mac)
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._writer: Writer | None = None
        self._farewells: list[asyncio.Future[Any]] = []  # of connections that were dropped
        self._process = os.getpid()
        self.name = self.database.name
        # A database in memory is gone when its connection is closed, and has no locks.
        self._work = nullcontext() if self.database.path is None else Intermission(self._close)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def open(self) -> None:
        """Connect and see to the tables; in a forked child too."""
        async with self._work:
            self._leave_inherited()
            self._drop()
            try:
                await self._connect()
            except BaseException:
                self._drop()
                raise

    async def write(self, records: Sequence[Record]) -> None:
        """Store the batch. On a fault of the connection it is dropped, and the next call makes a new one."""
        if not records:
            return
        async with self._work:
            await self._write(records)

    async def _write(self, records: Sequence[Record]) -> None:
        self._leave_inherited()
        try:
            writer = self._writer or await self._connect()
            await writer.write(records)
        except SequenceConflict as conflict:
            _logger.error("audit trail %s: %s", self.name, conflict)
            raise
        except RecordRejected:
            raise
        except BaseException:
            # Cancelled or broken: what the server made of the batch is unknown, and waiting for it might hang.
            self._drop()
            raise

    async def close(self) -> None:
        """Close the connection, and give up on a server that does not answer."""
        async with self._work:
            await self._close()

    async def _close(self) -> None:
        self._leave_inherited()
        if self._connection is not None:
            try:
                async with asyncio.timeout(_FAREWELL):
                    await self._connection.close()
            except (SQLAlchemyError, OSError):  # a TimeoutError is an OSError
                self._drop()
        if self._engine is not None:
            await self._engine.dispose()
        self._engine = self._connection = self._writer = None
        # A driver's thread that outlives its loop can't end in good order.
        here = asyncio.get_running_loop()
        farewells = [farewell for farewell in self._farewells if farewell.get_loop() is here]
        self._farewells.clear()
        if farewells:
            await asyncio.wait(farewells, timeout=_FAREWELL)

    async def _connect(self) -> Writer:
        if self._create:
            self.database.create_file()
        else:
            self.database.require_file()
        self._engine = self.database.writing()
        self._connection = await self._engine.connect()
        module = _WRITERS.get(self._engine.dialect.driver)
        if module is None:
            writer: Writer = PortableWriter(self._connection, self.mac)
        else:
            raw = await self._connection.get_raw_connection()
            writer = import_module(module, __package__).writer(raw.driver_connection, self.database.path, self.mac)
        await writer.prepare()
        # No `begin()` block: when this is cancelled, it would wait for a rollback by a server that may hang.
        await self._connection.run_sync(self._see_to_tables)
        await self._connection.commit()
        self._writer = writer
        return writer

    def _see_to_tables(self, connection: Connection) -> None:
        # Looking comes first, so that a role that may only insert can use tables that are there.
        if self._create and (current(connection) or 0) < VERSION:
            upgrade(connection)
        require(connection, self.name)

    def _leave_inherited(self) -> None:
        """In a forked child, part with the connection that is the parent's, without a word to the server."""
        if self._process != os.getpid():
            _INHERITED.append((self._engine, self._connection, self._writer))
            self._engine = self._connection = self._writer = None
            self._farewells.clear()
            self._process = os.getpid()

    def _drop(self) -> None:
        """Abandon the connection at once: outside of SQLAlchemy's greenlet, invalidating it waits for nothing."""
        if self._writer is not None and (farewell := self._writer.abandon()) is not None:
            self._farewells.append(farewell)
        connection, self._connection, self._writer = self._connection, None, None
        if connection is not None and not connection.closed and connection.sync_connection is not None:
            connection.sync_connection.invalidate()
