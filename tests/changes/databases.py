"""Engines for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool, StaticPool


def in_memory() -> Engine:
    """An SQLite database whose savepoints work."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    _let_savepoints_work(engine)
    return engine


@asynccontextmanager
async def asynchronous(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine for coroutines; an event loop has its own."""
    engine = create_async_engine(url, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        _let_savepoints_work(engine.sync_engine)
    try:
        yield engine
    finally:
        await engine.dispose()


def _let_savepoints_work(engine: Engine) -> None:
    """As SQLAlchemy's page on SQLite says: its driver begins no transaction before the first change."""

    @event.listens_for(engine, "connect")
    def connect(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")
