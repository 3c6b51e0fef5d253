"""What is on record of any unit of work, replayed on the old state, gives the new one; and no statement is added."""

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from sqlalchemy import Connection, Engine, event, insert
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session, sessionmaker

from asgi_audit import Change
from asgi_audit.changes import capture_changes
from asgi_audit.context import current
from asgi_audit.draft import Draft
from tests.changes.databases import asynchronous
from tests.changes.models import TABLES, Base, Entry, Manager, Person, Post, Tag, post_tags, table_of
from tests.changes.replay import read, replay, same
from tests.changes.work import Command, Sums, Work, agree, units
from tests.notebook import Notebook


def stock(connection: Connection) -> None:
    """The old state."""
    for table in reversed(TABLES):
        connection.execute(table.delete())
    connection.execute(
        insert(table_of(Person)), [{"id": 1001 + n, "kind": "person", "name": f"p{n}", "version": 1} for n in range(2)]
    )
    connection.execute(insert(table_of(Person)), [{"id": 1003, "kind": "manager", "name": "m", "version": 4}])
    connection.execute(insert(table_of(Manager)), [{"id": 1003, "level": 1}])
    connection.execute(insert(table_of(Tag)), [{"name": f"tag {n}"} for n in range(3)])
    rows = [{"id": 1001 + n, "headline": f"h{n}", "views": n, "options": {"a": n}} for n in range(3)]
    connection.execute(insert(table_of(Post)), rows)
    connection.execute(
        insert(post_tags), [{"post_id": 1001, "tag_name": "tag 0"}, {"post_id": 1001, "tag_name": "tag 1"}]
    )
    connection.execute(insert(table_of(Entry)), [{"id": 1001 + n, "text": "old"} for n in range(4)])


class Statements:
    """What an engine executes."""

    def __init__(self, engine: Engine) -> None:
        self.seen: list[str] = []
        event.listen(engine, "before_cursor_execute", self._see)
        for name in ("begin", "commit", "rollback"):
            event.listen(engine, name, lambda connection, name=name: self.seen.append(name))

    def _see(self, connection: object, cursor: object, sql: str, *_: object) -> None:
        self.seen.append(sql)

    def take(self) -> list[str]:
        """What was executed since the last time."""
        seen, self.seen = self.seen, []
        return seen


def on_record(draft: Draft, notebook: Notebook) -> list[Change]:
    """What was handed to the draft, and no failure."""
    assert notebook.notes == []
    return [] if draft.notes is None else list(draft.notes.changes)


def test_changes_on_record_lead_from_the_old_state_to_the_new(engine: Engine, full: bool) -> None:
    """In SQLite, whatever the application does: what is committed is on record, exactly, and nothing else."""

    @settings(max_examples=2000 if full else 150)
    @given(units)
    def holds(unit: list[Command]) -> None:
        notebook = Notebook()
        draft = Draft(notebook, {"type": "http"})
        maker = sessionmaker(engine)
        with engine.begin() as connection:
            stock(connection)
            old = read(connection)
        token = current.set(draft)
        try:
            with capture_changes(maker), maker() as session:
                sums = Work(session).do(unit)
        finally:
            current.reset(token)
        with engine.connect() as connection:
            new = read(connection)
        changes = on_record(draft, notebook)
        assert same(replay(old, changes), new)
        assert agree(changes, sums)

    holds()


def test_no_statement_is_added(engine: Engine, full: bool) -> None:
    """With and without the capture, the same is executed in the same order, in the same transactions."""
    statements = Statements(engine)

    @settings(max_examples=1000 if full else 60)
    @given(units)
    def holds(unit: list[Command]) -> None:
        executed: list[list[str]] = []
        for captured in (False, True):
            maker = sessionmaker(engine)
            capture = capture_changes(maker) if captured else None
            with engine.begin() as connection:
                stock(connection)
            statements.take()
            with maker() as session:
                Work(session).do(unit)
            executed.append(statements.take())
            if capture is not None:
                capture.remove()
        assert executed[0] == executed[1]

    holds()


async def _check(url: str, unit: Sequence[Command]) -> None:
    """The same laws for asynchronous sessions: the changes lead to the new state, and no statement is added."""
    executed: list[list[str]] = []
    async with asynchronous(url) as engine:
        statements = Statements(engine.sync_engine)
        for captured in (False, True):
            maker = async_sessionmaker(engine)
            notebook = Notebook()
            draft = Draft(notebook, {"type": "http"})
            async with engine.begin() as connection:
                await connection.run_sync(stock)
                old = await connection.run_sync(read)
            statements.take()
            token = current.set(draft)
            capture = capture_changes(maker) if captured else None

            def work(session: Session) -> Sums:
                return Work(session).do(unit)

            async with maker() as session:
                sums = await session.run_sync(work)
            current.reset(token)
            executed.append(statements.take())
            async with engine.connect() as connection:
                new = await connection.run_sync(read)
            if capture is None:
                assert on_record(draft, notebook) == []
            else:
                capture.remove()
                changes = on_record(draft, notebook)
                assert same(replay(old, changes), new)
                assert agree(changes, sums)
    assert executed[0] == executed[1]


async def _create(url: str) -> None:
    async with asynchronous(url) as engine, engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


def test_the_same_in_postgresql(postgres_url: str, full: bool) -> None:
    """In PostgreSQL, by asyncpg, in an asynchronous session."""
    url = postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    asyncio.run(_create(url))

    @settings(max_examples=500 if full else 25)
    @given(units)
    def holds(unit: list[Command]) -> None:
        asyncio.run(_check(url, unit))

    holds()


def test_the_same_in_asynchronous_sqlite(sqlite_url: str, full: bool) -> None:
    """In SQLite, by aiosqlite, in an asynchronous session."""
    url = sqlite_url.replace("sqlite://", "sqlite+aiosqlite://")
    asyncio.run(_create(url))

    @settings(max_examples=200 if full else 10)
    @given(units)
    def holds(unit: list[Command]) -> None:
        asyncio.run(_check(url, unit))

    holds()
