"""With the triggers, everything that is new is stored as without them."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from asgi_audit.sqlalchemy import SQLAlchemySink
from asgi_audit.sqlalchemy.schema import checkpoints, leaves
from asgi_audit.sqlalchemy.writer import SequenceConflict
from tests.contracts.sink_contract import IdempotentSinkContract, Maker, Reader
from tests.samples import record, records
from tests.sqlalchemy.stocked import engine, prepare, stock
from tests.sqlalchemy.test_sink import stored


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


class _Contract(IdempotentSinkContract):
    @pytest.fixture
    def make(self, url: str) -> Maker:
        return lambda: SQLAlchemySink(url)

    @pytest.fixture
    def read(self, url: str) -> Reader:
        return lambda: stored(url)


class TestSQLite(_Contract):
    @pytest.fixture
    def url(self, sqlite_url: str) -> str:
        return asyncio.run(prepare(sqlite_url))


class TestPostgres(_Contract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return asyncio.run(prepare(postgres_url))


@pytest.mark.asyncio
async def test_what_is_delivered_again_is_recognised(url: str) -> None:
    """A record that is there is passed over, its neighbours are stored, and a taken sequence number is an alarm."""
    await prepare(url)
    batch = records(6)
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write(batch[:3])
    await sink.write(batch[1:5])
    with pytest.raises(SequenceConflict):
        await sink.write([record(writer=batch[0].writer, seq=batch[0].seq)])
    await sink.write(batch)
    await sink.close()
    assert [each.id for each in await stored(url)] == [each.id for each in batch]


@pytest.mark.asyncio
async def test_sealers_still_collide_on_the_keys(url: str) -> None:
    """A leaf or checkpoint whose key is taken is an IntegrityError, as without triggers; the next one is stored."""
    await stock(url)
    made = engine(url)
    now: Any = "2026-11-23T00:00:00.000000Z" if url.startswith("sqlite") else sa.func.now()
    id_ = "01a20924-a4b5-7989-8000-000000000000"
    async with made.connect() as connection:
        taken = (await connection.scalars(sa.select(leaves.c.record_id))).first()
        for insert in (
            leaves.insert().values(idx=11, record_id=id_, hash=b"\0" * 32),
            leaves.insert().values(idx=12, record_id=taken, hash=b"\0" * 32),
            checkpoints.insert().values(size=12, signers="", note="n", peaks=b"", time=now),
        ):
            with pytest.raises(IntegrityError):
                await connection.execute(insert)
            await connection.rollback()
        await connection.execute(leaves.insert().values(idx=12, record_id=id_, hash=b"\0" * 32))
        await connection.execute(checkpoints.insert().values(size=13, signers="", note="n", peaks=b"", time=now))
        await connection.commit()
    await made.dispose()
