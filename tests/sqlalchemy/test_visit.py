"""A stay in the database that is cut short leaves nothing behind."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.engine import Engine

from asgi_audit.sqlalchemy import upgrade_database, visit
from asgi_audit.sqlalchemy.database import Database
from asgi_audit.sqlalchemy.schema import leaves
from asgi_audit.sqlalchemy.visit import visiting
from tests.proxy import proxied

pytestmark = pytest.mark.asyncio

LEAVES = [
    {"idx": index, "record_id": f"01a21000-0000-7000-8000-00000000000{index}", "hash": bytes(32)} for index in range(3)
]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@contextmanager
def cancelling(moment: str) -> Iterator[None]:
    """Have the task cancelled that inserts, at that moment."""

    def cancel(*arguments: Any) -> None:
        if arguments[2].startswith("INSERT INTO audit_leaves"):
            task = asyncio.current_task()
            assert task is not None
            task.cancel()

    event.listen(Engine, moment, cancel)
    try:
        yield
    finally:
        event.remove(Engine, moment, cancel)


@pytest.mark.parametrize("moment", ["before_cursor_execute", "after_cursor_execute"])
async def test_who_is_cancelled_keeps_no_lock(sqlite_url: str, moment: str) -> None:
    """Though the traceback still has the cursor, which would keep the closed connection's transaction going."""
    await upgrade_database(sqlite_url)

    async def insert() -> None:
        async with visiting(Database(sqlite_url)) as connection:
            await connection.execute(leaves.insert(), LEAVES)
            await connection.commit()

    with cancelling(moment), pytest.raises(asyncio.CancelledError) as cancelled:
        await asyncio.create_task(insert())
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0.1)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM audit_leaves").fetchone() == (0,)
    assert cancelled.traceback
    await insert()


async def test_an_error_leaves_the_database_as_it_was(sqlite_url: str) -> None:
    """What was not committed is rolled back, and the error is the caller's own."""
    await upgrade_database(sqlite_url)

    async def fail() -> None:
        async with visiting(Database(sqlite_url)) as connection:
            await connection.execute(leaves.insert(), LEAVES)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with visiting(Database(sqlite_url)) as connection:
        assert await connection.scalar(select(func.count()).select_from(leaves)) == 0


async def test_a_guest_who_does_nothing_can_be_cancelled_too(url: str) -> None:
    """In the middle of a transaction, which is rolled back."""
    await upgrade_database(url)
    inside = asyncio.Event()

    async def stay() -> None:
        async with visiting(Database(url)) as connection:
            await connection.execute(leaves.insert(), LEAVES)
            inside.set()
            await asyncio.Event().wait()

    staying = asyncio.create_task(stay())
    await inside.wait()
    staying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await staying
    async with visiting(Database(url)) as connection:
        await connection.execute(leaves.insert(), LEAVES)


@pytest.mark.parametrize("error", [None, LookupError])
async def test_leaving_waits_for_no_server_that_does_not_answer(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, error: type[Exception] | None
) -> None:
    """With or without an error, the goodbye takes no longer than it may."""
    monkeypatch.setattr(visit, "_FAREWELL", 0.05)
    await upgrade_database(postgres_url)

    async def stay(url: str) -> None:
        async with visiting(Database(url)):
            proxy.stall()
            if error is not None:
                raise error

    with proxied(postgres_url) as (proxy, url):
        async with asyncio.timeout(20):
            if error is None:
                await stay(url)
            else:
                with pytest.raises(error):
                    await stay(url)
        proxy.flow()
