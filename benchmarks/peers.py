"""The published audit packages that run, each as its own documentation says, around the same bare application.

Each writes its records to a database as it does by default: one row, one transaction for each request. They are asked
by clients that stay until they have the whole answer.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from auditlog_fastapi.config import AuditConfig as AuditlogConfig
from auditlog_fastapi.middleware import AuditMiddleware as AuditlogMiddleware
from auditlog_fastapi.storage.sqlalchemy_storage import SQLAlchemyStorage
from bh_fastapi_audit import AuditConfig as BHConfig
from bh_fastapi_audit import AuditMiddleware as BHMiddleware
from bh_fastapi_audit import SQLAlchemySink as BHSink
from fastapi_audit import AuditConfig as FastAPIAuditConfig
from fastapi_audit import AuditMiddleware as FastAPIAuditMiddleware
from fastapi_audit import create_tables
from fastapi_audit_log.config import AuditConfig as AuditLogConfig
from fastapi_audit_log.db import create_session_factory
from fastapi_audit_log.middleware import AuditMiddleware as AuditLogMiddleware
from fastapi_audit_log.models import Base, get_audit_model
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asgi_audit._types import ASGIApp, Receive, Scope, Send
from benchmarks.traffic import bare


class Peer(NamedTuple):
    """A wrapped application, what waits until it has stored all, and how many rows there are then."""

    app: Any
    rows: Callable[[], Awaitable[int]]
    drain: Callable[[], Awaitable[object]]


class NaiveInsert:
    """What many write first: when the application has answered, insert a row and commit."""

    def __init__(self, app: ASGIApp, engine: AsyncEngine, rows: sa.Table) -> None:
        self._app = app
        self._engine = engine
        self._insert = rows.insert()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        status = 0

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, watched)
        row = {"method": scope["method"], "path": scope["path"], "ip": scope["client"][0], "status": status}
        async with self._engine.begin() as connection:
            await connection.execute(self._insert, row)


@asynccontextmanager
async def _naive(url: str) -> AsyncIterator[Peer]:
    rows = sa.Table(
        "requests",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text) for name in ("method", "path", "ip")),
        sa.Column("status", sa.Integer),
    )
    async with _engine(url) as engine:
        async with engine.begin() as connection:
            await connection.run_sync(rows.metadata.create_all)
        yield Peer(NaiveInsert(bare, engine, rows), _counting(engine, rows.name), _others)


@asynccontextmanager
async def _fastapi_audit(url: str) -> AsyncIterator[Peer]:
    async with _engine(url) as engine:
        await create_tables(engine)
        config = FastAPIAuditConfig(control_db_url=_asynchronous(url), log_anonymous=True)
        yield Peer(FastAPIAuditMiddleware(bare, config=config), _counting(engine, "audit_logs"), _others)


@asynccontextmanager
async def _auditlog_fastapi(url: str) -> AsyncIterator[Peer]:
    async with _engine(url) as engine:
        storage = SQLAlchemyStorage(AuditlogConfig(orm="sqlalchemy", dsn=_asynchronous(url)))
        await storage.startup()
        yield Peer(AuditlogMiddleware(bare, storage=storage), _counting(engine, "audit_logs"), _others)
        await storage.shutdown()


@asynccontextmanager
async def _fastapi_audit_log(url: str) -> AsyncIterator[Peer]:
    async with _engine(url) as engine:
        config = AuditLogConfig(db_url=url)
        synchronous, sessions = create_session_factory(config.db_url)
        model = get_audit_model(config.table_name)
        Base.metadata.create_all(bind=synchronous)
        app = AuditLogMiddleware(bare, session_factory=sessions, AuditLog=model, config=config)
        yield Peer(app, _counting(engine, config.table_name), _others)
        synchronous.dispose()


@asynccontextmanager
async def _bh_fastapi_audit(url: str) -> AsyncIterator[Peer]:
    async with _engine(url) as engine:
        app = BHMiddleware(bare, sink=BHSink(url), config=BHConfig(service_name="shop"))
        yield Peer(app, _counting(engine, "bh_audit_events"), app.shutdown)


#: What starts each, given the URL of an empty database.
PEERS: Final[dict[str, Callable[[str], AbstractAsyncContextManager[Peer]]]] = {
    "insert per request": _naive,
    "fastapi-audit": _fastapi_audit,
    "auditlog-fastapi": _auditlog_fastapi,
    "fastapi-audit-log": _fastapi_audit_log,
    "bh-fastapi-audit": _bh_fastapi_audit,
}
ON_POSTGRESQL: Final = frozenset({"fastapi-audit"})  # the only database that it supports


@asynccontextmanager
async def _engine(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(_asynchronous(url))
    yield engine
    await engine.dispose()


def _asynchronous(url: str) -> str:
    return url.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")


def _counting(engine: AsyncEngine, table: str) -> Callable[[], Awaitable[int]]:
    async def count() -> int:
        async with engine.connect() as connection:
            found = await connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table)))
            return int(found or 0)

    return count


async def _others() -> None:
    """Wait for the tasks that were left behind."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
