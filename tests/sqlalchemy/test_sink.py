"""The SQL sink keeps the contract on both databases, and what is beyond the contract."""

import asyncio
import logging
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from asgi_audit.errors import ConfigurationError, RecordRejected
from asgi_audit.ids import IdSource
from asgi_audit.record import Actor, Record, Request, Response
from asgi_audit.sinks.base import Sink
from asgi_audit.sqlalchemy import AuditStore, SchemaError, SQLAlchemySink, sqlite
from asgi_audit.sqlalchemy.writer import SequenceConflict
from tests import strategies
from tests.contracts.sink_contract import IdempotentSinkContract, Maker, Reader, without_salts
from tests.postgres import execute
from tests.samples import record, records


async def stored(url: str) -> list[Record]:
    """Everything that a database holds, oldest first."""
    async with AuditStore(url) as store:
        return [it async for it in store.query(oldest_first=True)]


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
        return sqlite_url


class TestPostgres(_Contract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url


class TestAnotherDriver(_Contract):
    """A driver that we do not know is served through SQLAlchemy's own insert."""

    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    def make(self, url: str, monkeypatch: pytest.MonkeyPatch) -> Maker:
        monkeypatch.setattr("asgi_audit.sqlalchemy.sink._WRITERS", {})
        return lambda: SQLAlchemySink(url)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture(params=["sqlite", "postgres", "portable"])
def any_writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, in each of the ways in which records get into one."""
    if request.param == "portable":
        monkeypatch.setattr("asgi_audit.sqlalchemy.sink._WRITERS", {})
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    found: str = request.getfixturevalue(name)
    return found


_ids = IdSource()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50)
@given(st.lists(strategies.records(), max_size=5))
def test_what_is_stored_is_read_again(any_writer: str, batch: list[Record]) -> None:
    """Every record that can be made comes back as it was, through `get` and through `query`."""
    writer = os.urandom(16).hex()
    batch = [msgspec.structs.replace(it, id=_ids.new_id(), writer=writer, seq=n) for n, it in enumerate(batch)]

    async def write_and_read() -> list[Record | None]:
        sink = SQLAlchemySink(any_writer)
        await sink.open()
        await sink.write(batch)
        await sink.close()
        async with AuditStore(any_writer) as store:
            return [await store.get(it.id) for it in batch]

    assert asyncio.run(write_and_read()) == without_salts(batch)


@pytest.mark.asyncio
async def test_another_record_under_the_same_sequence_number_is_an_alarm(
    any_writer: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two records with one writer and seq: the second is refused by name and logged, its neighbours are stored in the
    end.
    """
    first = record()
    forged = record(writer=first.writer, seq=first.seq)
    neighbours = records(4)
    sink = SQLAlchemySink(any_writer)
    await sink.open()
    await sink.write([first])
    with caplog.at_level(logging.ERROR, "asgi_audit"), pytest.raises(SequenceConflict):
        await sink.write([*neighbours[:2], forged, *neighbours[2:]])
    assert "already has this writer and seq" in caplog.text
    with pytest.raises(SequenceConflict):
        await sink.write([forged])
    await sink.write(neighbours[:2])
    await sink.write([first, *neighbours[2:]])
    await sink.close()
    assert {it.id for it in await stored(any_writer)} == {it.id for it in [first, *neighbours]}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"seq": 2**63}, "does not fit its column"),
        ({"duration_us": 2**64}, "does not fit its column"),
        ({"response": Response(status=2**31)}, "does not fit its column"),
        ({"data": {"x": object()}}, "no JSON form: TypeError"),
        ({"reason": "\ud800"}, "no JSON form: Unicode"),
        ({"reason": "x" * 2**22}, "larger than 4194304 bytes"),
        ({"salts": "00"}, "96 hex digits"),
        ({"salts": "secret"}, "no JSON form: ValueError"),
        ({"writer": None}, "no writer and seq"),
        ({"seq": None}, "no writer and seq"),
    ],
)
async def test_a_record_that_cannot_be_stored_is_rejected(
    any_writer: str, change: dict[str, object], reason: str
) -> None:
    """The reason says what is wrong and quotes no value; the connection goes on, and the neighbours can be stored."""
    neighbours = records(2)
    bad = record(**change, actor=Actor("s3cr3t"))
    sink = SQLAlchemySink(any_writer)
    await sink.open()
    with pytest.raises(RecordRejected, match=reason) as caught:
        await sink.write([neighbours[0], bad, neighbours[1]])
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(RecordRejected, match=reason):
        await sink.write([bad])
    await sink.write(neighbours)
    await sink.close()
    assert without_salts(await stored(any_writer)) == without_salts(neighbours)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"id": "no uuid"},
        {"parent": "no uuid"},
        {"request": Request(path="/\x00")},
        {"tenant": ["list"]},
        {"writer": "x" * 33},
    ],
)
async def test_what_only_the_database_refuses_is_rejected(postgres_url: str, change: dict[str, object]) -> None:
    """The driver's and the server's refusals become rejections without values; the same connection goes on."""
    sink = SQLAlchemySink(postgres_url)
    await sink.open()
    await sink.write(records(1))
    connection = sink._connection
    with pytest.raises(RecordRejected, match=r"SQLSTATE 22...|does not fit") as caught:
        await sink.write([record(**change, reason="s3cr3t")])
    assert "s3cr3t" not in str(caught.value)
    await sink.write(records(1))
    assert sink._connection is connection
    await sink.close()
    assert len(await stored(postgres_url)) == 2


@pytest.mark.asyncio
async def test_a_value_that_sqlite_cannot_bind_is_rejected(sqlite_url: str) -> None:
    """The driver's refusal becomes a rejection."""
    sink = SQLAlchemySink(sqlite_url)
    await sink.open()
    with pytest.raises(RecordRejected, match="does not fit its column"):
        await sink.write([record(tenant=["list"])])
    await sink.close()


@pytest.mark.asyncio
async def test_salts_are_made_if_a_record_has_none(url: str) -> None:
    """A record without salts is stored, under fresh ones."""
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write([record(salts=None)])
    await sink.close()
    assert len(await stored(url)) == 1


@pytest.mark.asyncio
async def test_a_users_engine_is_a_pattern_and_stays_the_users(url: str) -> None:
    """The sink connects as the engine does, over a connection of its own, and never disposes of the engine."""
    driver = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
    scheme, rest = url.split(":", 1)
    engine = create_async_engine(f"{driver[scheme]}:{rest}")
    async with engine.connect() as theirs:
        sink = SQLAlchemySink(engine)
        await sink.open()
        batch = records(3)
        await sink.write(batch)
        await sink.close()
        assert (await theirs.exec_driver_sql("SELECT count(*) FROM audit_records")).scalar() == 3
    async with AuditStore(engine) as store:
        assert await store.count() == 3
    async with engine.connect() as again:
        assert (await again.exec_driver_sql("SELECT 1")).scalar() == 1
    await engine.dispose()


@pytest.mark.asyncio
async def test_without_create_the_tables_must_be_there(url: str) -> None:
    """`create=False` refuses an empty database and names the command that creates the tables."""
    sink = SQLAlchemySink(url, create=False)
    with pytest.raises((SchemaError, ConfigurationError), match="asgi-audit upgrade"):
        await sink.open()
    maker = SQLAlchemySink(url)
    await maker.open()
    await maker.close()
    await sink.open()
    await sink.write(records(1))
    await sink.close()
    assert len(await stored(url)) == 1


@pytest.mark.asyncio
async def test_close_may_come_first_or_twice(url: str) -> None:
    """Closing what is not open does nothing."""
    sink = SQLAlchemySink(url)
    await sink.close()
    await sink.open()
    await sink.close()
    await sink.close()


@pytest.mark.asyncio
async def test_write_connects_when_it_must(url: str) -> None:
    """After a close, the next write connects again."""
    sink = SQLAlchemySink(url)
    await sink.write(records(1))
    await sink.close()
    await sink.write(records(1))
    await sink.close()
    assert len(await stored(url)) == 2


@pytest.mark.asyncio
async def test_a_cancelled_write_can_be_repeated(url: str) -> None:
    """A cancelled write leaves nothing behind that hinders the next: one row per record."""
    sink = SQLAlchemySink(url)
    await sink.open()
    batch = records(2000)
    for pauses in range(1, 6):
        task = asyncio.create_task(sink.write(batch))
        for _ in range(pauses):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await sink.write(batch)
    await sink.close()
    assert [it.id for it in await stored(url)] == [it.id for it in batch]


def _is_a_sink(sink: Sink) -> bool:
    return isinstance(sink, Sink)


def test_is_a_sink(sqlite_url: str) -> None:
    """It fits the protocol."""
    assert _is_a_sink(SQLAlchemySink(sqlite_url))


def test_a_forked_child_leaves_its_parents_connection_alone(url: str) -> None:
    """Parent and child write after a fork, each over its own connection, and every record arrives."""
    batch = records(3)
    sink = SQLAlchemySink(url)

    async def parent_first() -> int:
        await sink.open()
        await sink.write(batch[:1])
        child = os.fork()
        if child == 0:
            return 0
        _, status = os.waitpid(child, 0)
        assert status == 0
        await sink.write(batch[2:])
        await sink.close()
        return child

    async def child_then() -> None:
        await sink.close()  # what it has inherited is not its own to close
        await sink.open()
        await sink.write(batch[1:2])
        await sink.close()

    loop = asyncio.new_event_loop()
    if loop.run_until_complete(parent_first()) == 0:
        code = 1
        try:
            asyncio.set_event_loop(None)
            asyncio.run(child_then())
            code = 0
        finally:
            os._exit(code)
    loop.close()
    assert without_salts(asyncio.run(stored(url))) == without_salts(batch)


@pytest.mark.asyncio
async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    """An SQLite file that the sink makes can be read by nobody else; it is WAL, for readers beside the writer."""
    path = tmp_path / "audit.db"
    sink = SQLAlchemySink(f"sqlite:///{path}")
    await sink.open()
    await sink.write(records(1))
    assert path.stat().st_mode & 0o777 == 0o600
    await sink.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["a b.db", "ä%20.db", "x'y.db", "a+b&c=d.db"])
async def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Writer and reader mean the same file, whatever its name."""
    url = f"sqlite:///{tmp_path}/{name}"
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write(records(1))
    await sink.close()
    assert len(await stored(url)) == 1
    assert sink.name == url.replace("%20", " ")


@pytest.mark.asyncio
async def test_a_relative_path_means_the_directory_at_construction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later change of the working directory does not move the trail."""
    monkeypatch.chdir(tmp_path)
    sink = SQLAlchemySink("sqlite:///audit.db")
    assert sink.name == "sqlite:///audit.db"
    monkeypatch.chdir("/")
    await sink.open()
    await sink.close()
    assert (tmp_path / "audit.db").is_file()


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
async def test_memory_works(url: str) -> None:
    """A database in memory takes records for as long as the sink is open."""
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.write(records(3))
    assert sink.name == "sqlite:///:memory:"
    await sink.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("replace", [True, False])
async def test_a_file_that_is_deleted_is_noticed(tmp_path: Path, replace: bool) -> None:
    """SQLite would go on writing into the deleted file: the write fails, and the next makes the file again."""
    path = tmp_path / "audit.db"
    sink = SQLAlchemySink(f"sqlite:///{path}")
    await sink.open()
    await sink.write(records(1))
    for file in tmp_path.iterdir():
        file.unlink()
    if replace:
        path.touch()
    batch = records(2)
    with pytest.raises(FileNotFoundError):
        await sink.write(batch)
    await sink.write(batch)
    await sink.close()
    assert without_salts(await stored(f"sqlite:///{path}")) == without_salts(batch)


@pytest.mark.asyncio
async def test_a_table_that_refuses_for_reasons_of_its_own_rejects(tmp_path: Path) -> None:
    """A constraint that somebody added is a data error, named without a value."""
    url = f"sqlite:///{tmp_path}/audit.db"
    sink = SQLAlchemySink(url)
    await sink.open()
    await sink.close()
    with sqlite3.connect(tmp_path / "audit.db") as connection:
        connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON audit_records WHEN NEW.tenant = 'bad' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    connection.close()
    with pytest.raises(RecordRejected, match="SQLITE_CONSTRAINT_TRIGGER"):
        await sink.write([record(tenant="bad")])
    await sink.write([record(tenant="good")])
    await sink.close()


@pytest.mark.asyncio
async def test_an_inherited_connection_is_kept_and_not_used(url: str) -> None:
    """As `test_a_forked_child_…`, seen from inside: what belongs to another process is put aside, open."""
    sink = SQLAlchemySink(url)
    await sink.open()
    inherited = sink._connection
    assert inherited is not None
    sink._process = -1
    await sink.write(records(1))
    assert sink._connection is not inherited
    assert not inherited.closed
    await sink.close()
    await inherited.close()


@pytest.mark.asyncio
async def test_constraints_and_values_are_told_apart(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through SQLAlchemy's own insert, too, a refusal is a rejection; a fault is not."""
    monkeypatch.setattr("asgi_audit.sqlalchemy.sink._WRITERS", {})
    sink = SQLAlchemySink(postgres_url)
    await sink.open()
    await execute(postgres_url, "ALTER TABLE audit_records ADD CHECK (tenant <> 'bad')")
    with pytest.raises(RecordRejected, match="a constraint refuses it"):
        await sink.write([record(tenant="bad")])
    with pytest.raises(RecordRejected, match="does not fit its column"):
        await sink.write([record(tenant="\x00")])
    await execute(postgres_url, "ALTER TABLE audit_records RENAME COLUMN tenant TO lodger")
    with pytest.raises(DBAPIError, match="tenant"):
        await sink.write(records(1))
    await sink.close()


def test_an_engine_that_blocks_is_refused() -> None:
    """A synchronous engine cannot be used; the message says what can."""
    engine = create_engine("sqlite://")
    with pytest.raises(ConfigurationError, match="create_async_engine"):
        SQLAlchemySink(engine)  # type: ignore[arg-type]
    engine.dispose()


@pytest.mark.asyncio
async def test_the_change_to_wal_waits_for_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that open a new database at once are all for it; SQLite would tell some of them that it is locked."""
    monkeypatch.setattr(sqlite, "_SETTINGS", ("PRAGMA busy_timeout = 1",))
    path = tmp_path / "audit.db"
    sink = SQLAlchemySink(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        opening = asyncio.create_task(sink.open())
        done, _ = await asyncio.wait({opening}, timeout=0.1)
        assert not done
        other.execute("COMMIT")
        await opening
    await sink.write(records(1))
    await sink.close()
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.asyncio
async def test_close_waits_for_connections_that_were_dropped(tmp_path: Path) -> None:
    """A thread of the driver's that outlived the loop could only end with an exception, and its file stay open."""
    before = threading.active_count()
    sink = SQLAlchemySink(f"sqlite:///{tmp_path}/audit.db")
    await sink.open()
    for _ in range(3):
        writing = asyncio.create_task(sink.write(records(500)))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await sink.write(records(1))
    await sink.close()
    for _ in range(100):
        if threading.active_count() == before:
            break
        await asyncio.sleep(0.01)  # the thread has said goodbye, and is about to end
    assert threading.active_count() == before
