"""The SQL store keeps the contract on both databases, and what is beyond the contract."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import AuditStore, SchemaError, SQLAlchemySink
from tests.contracts.store_contract import Filler, StoreContract
from tests.samples import record, records


async def _write(url: str, batch: Sequence[Record]) -> None:
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write(batch)
    await sink.close()


class _Contract(StoreContract):
    @pytest.fixture
    def store(self, url: str) -> AuditStore:
        return AuditStore(url)

    @pytest.fixture
    def fill(self, url: str) -> Filler:
        return lambda batch: _write(url, batch)


class TestSQLite(_Contract):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return sqlite_url


class TestPostgres(_Contract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


def test_a_store_works_in_one_loop_after_another(url: str) -> None:
    """Without `async with`, a question in another event loop makes its own connection; with it, the loop's are kept."""
    asyncio.run(_write(url, records(2)))
    store = AuditStore(url)

    async def ask() -> int:
        return await store.count()

    async def ask_twice() -> int:
        async with store:
            return await store.count() + await store.count()

    assert [asyncio.run(ask()), asyncio.run(ask_twice()), asyncio.run(ask()), asyncio.run(ask_twice())] == [2, 4, 2, 4]


@pytest.mark.asyncio
async def test_a_missing_file_is_an_error_and_stays_missing(tmp_path: Path) -> None:
    """Reading never makes a file, whether by URL or by engine."""
    path = tmp_path / "audit.db"
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}")
    for where in (f"sqlite:///{path}", engine):
        with pytest.raises(ConfigurationError, match="no such file"):
            await AuditStore(where).count()
    assert not path.exists()
    await engine.dispose()


@pytest.mark.asyncio
async def test_a_database_without_a_trail_is_an_error(postgres_url: str, tmp_path: Path) -> None:
    """Reading never makes tables; the message names the command that does."""
    (tmp_path / "empty.db").touch()
    for url in (postgres_url, f"sqlite:///{tmp_path}/empty.db"):
        async with AuditStore(url) as store:
            for _ in range(2):
                with pytest.raises(SchemaError, match=r"no audit tables.*asgi-audit upgrade"):
                    await store.count()
    assert (tmp_path / "empty.db").stat().st_size == 0


@pytest.mark.asyncio
async def test_memory_has_no_trail() -> None:
    """A database in memory is another one for every connection."""
    async with AuditStore("sqlite://") as store:
        with pytest.raises(SchemaError):
            await store.count()


@pytest.mark.asyncio
async def test_what_was_erased_is_none(url: str) -> None:
    """A row whose parts are gone reads as a record without their fields."""
    it = record()
    await _write(url, [it])
    scheme, rest = url.split(":", 1)
    engine = create_async_engine(f"{scheme}+{'aiosqlite' if scheme == 'sqlite' else 'asyncpg'}:{rest}")
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE audit_records SET actor = NULL, actor_salt = NULL, actor_id = NULL")
    async with AuditStore(engine) as store:
        found = await store.get(it.id)
        assert found is not None
        assert (found.actor, found.source, found.targets) == (None, None, it.targets)
        assert await store.count(actor="42") == 0
    await engine.dispose()


def test_its_repr_has_no_password() -> None:
    """Neither the store's nor the sink's."""
    for it in (AuditStore("postgresql://u:s3cr3t@h/db"), SQLAlchemySink("postgresql://u:s3cr3t@h/db")):
        assert repr(it) == f"{type(it).__name__}('postgresql://h/db')"
