"""What happens between the sink and a PostgreSQL server: lost replies, stalls, cuts, crashes, refused privileges."""

import asyncio
import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from asgi_audit.sqlalchemy import AuditStore, SQLAlchemySink, upgrade_database
from asgi_audit.sqlalchemy.writer import SequenceConflict
from tests.postgres import Postgres, execute
from tests.proxy import COPY_DONE, proxied
from tests.samples import record, records

pytestmark = pytest.mark.asyncio


async def _ids(url: str) -> list[str]:
    async with AuditStore(url) as store:
        return [it.id async for it in store.query(oldest_first=True)]


@pytest.mark.parametrize("size", [1, 10, 1000])
async def test_a_lost_reply_to_the_commit_makes_no_second_row(postgres_url: str, size: int) -> None:
    """The batch is committed, the answer is lost, the batch comes again: one row per record."""
    with proxied(postgres_url) as (proxy, url):
        sink = SQLAlchemySink(url)
        await sink.open()
        batch = records(size)
        proxy.lose_reply(COPY_DONE)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await sink.write(batch)
        assert proxy.lost.is_set()
        async with asyncio.timeout(60):
            while await _ids(postgres_url) != [it.id for it in batch]:
                await asyncio.sleep(0.02)  # nobody else can tell when the server has committed
        new = records(3)
        await sink.write(batch + new)
        await sink.close()
    assert await _ids(postgres_url) == [it.id for it in batch + new]


async def test_a_write_that_hangs_can_be_given_up_and_repeated(postgres_url: str) -> None:
    """With the network stalled a write is cancelled at once, without waiting for the server; the next one connects
    anew.
    """
    with proxied(postgres_url) as (proxy, url):
        sink = SQLAlchemySink(url)
        await sink.open()
        batch = records(100)
        proxy.stall()
        writing = asyncio.create_task(sink.write(batch))
        await asyncio.to_thread(proxy.stalled.wait)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        proxy.flow()
        await sink.write(batch)
        await sink.close()
    assert await _ids(postgres_url) == [it.id for it in batch]


async def test_opening_that_hangs_can_be_given_up(postgres_url: str) -> None:
    """With the network stalled while it looks at the tables, `open` is cancelled at once."""
    with proxied(postgres_url) as (proxy, url):
        sink = SQLAlchemySink(url)
        proxy.stall_at(b"pg_catalog.pg_class")
        opening = asyncio.create_task(sink.open())
        await asyncio.to_thread(proxy.stalled.wait)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        proxy.flow()
        await sink.write(records(1))
        await sink.close()


async def test_close_gives_up_on_a_server_that_does_not_answer(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stalled network keeps nobody from closing."""
    monkeypatch.setattr("asgi_audit.sqlalchemy.sink._FAREWELL", 0.05)
    with proxied(postgres_url) as (proxy, url):
        sink = SQLAlchemySink(url)
        await sink.open()
        proxy.stall()
        await sink.close()


async def test_a_cut_connection_is_made_anew(postgres_url: str) -> None:
    """After the connection was cut, one write fails and the next succeeds."""
    with proxied(postgres_url) as (proxy, url):
        sink = SQLAlchemySink(url)
        await sink.open()
        batches = [records(10) for _ in range(3)]
        await sink.write(batches[0])
        proxy.cut()
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await sink.write(batches[1])
        await sink.write(batches[1])
        await sink.write(batches[2])
        await sink.close()
    assert await _ids(postgres_url) == [it.id for batch in batches for it in batch]


async def test_a_crashed_server_is_found_again(postgres: Postgres) -> None:
    """`pg_ctl stop -m immediate` between two batches: writes fail while it is down, and succeed when it is back."""
    name = f"audit_{uuid.uuid4().hex}"
    await execute(postgres.admin_url, f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(postgres.admin_url)._replace(path=f"/{name}"))
    sink = SQLAlchemySink(url)
    await sink.open()
    first, second = records(10), records(10)
    await sink.write(first)
    postgres.stop("immediate")
    try:
        for _ in range(2):
            with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                await sink.write(second)
    finally:
        postgres.start()
    await sink.write(second)
    await sink.close()
    assert await _ids(url) == [it.id for it in first + second]


@pytest.fixture
def inserter(postgres_admin_url: str, postgres_url: str) -> Iterator[str]:
    """The URL of a role that may do nothing but INSERT into `audit_records`."""
    role = f"inserter_{os.urandom(4).hex()}"
    asyncio.run(upgrade_database(postgres_url))
    asyncio.run(
        execute(postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", f"GRANT INSERT ON audit_records TO {role}")
    )
    parts = urlsplit(postgres_url)
    yield urlunsplit(parts._replace(netloc=f"{role}:x@{parts.hostname}:{parts.port}"))
    asyncio.run(execute(postgres_url, f"DROP OWNED BY {role}", f"DROP ROLE {role}"))


async def test_the_privilege_to_insert_suffices(inserter: str, postgres_url: str) -> None:
    """A role without SELECT stores batches, recognises its own redelivery, and sees a conflict of sequence numbers."""
    sink = SQLAlchemySink(inserter)
    await sink.open()
    old, new = records(5), records(5)
    await sink.write(old)
    await sink.write(old + new)
    with pytest.raises(SequenceConflict):
        await sink.write([record(writer=old[0].writer, seq=old[0].seq)])
    await sink.close()
    assert await _ids(postgres_url) == [it.id for it in old + new]
    async with AuditStore(inserter) as store:
        with pytest.raises(Exception, match="permission denied"):
            await store.count()


async def test_a_rebuilt_index_raises_no_false_alarm(inserter: str, postgres_url: str) -> None:
    """REINDEX changes which constraint the server reports for a redelivered row; it is still taken for what it is."""
    sink = SQLAlchemySink(inserter)
    await sink.open()
    batch = records(5)
    await sink.write(batch)
    await execute(postgres_url, "REINDEX INDEX CONCURRENTLY audit_records_pkey")
    await sink.write(batch)
    with pytest.raises(SequenceConflict):
        await sink.write([record(writer=batch[0].writer, seq=batch[0].seq)])
    await sink.close()
    assert await _ids(postgres_url) == [it.id for it in batch]
