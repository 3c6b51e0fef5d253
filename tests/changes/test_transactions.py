"""Only what is committed is on record, and only once the outermost transaction is."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from sqlalchemy import Engine, Table, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from asgi_audit.changes import capture_changes
from asgi_audit.failures import Failures
from tests.changes.captured import Captured, request
from tests.changes.models import Entry, Post, Tag, table_of


def names(captured: Captured) -> list[str]:
    """Which tags are on record."""
    return [change.after["name"] for change in captured.changes]


def test_nothing_is_on_record_before_the_commit(maker: sessionmaker[Session]) -> None:
    """Neither after a flush nor after a savepoint."""
    with request() as captured, maker() as session:
        session.add(Tag(name="a"))
        session.flush()
        with session.begin_nested():
            session.add(Tag(name="b"))
        assert captured.changes == []
        session.commit()
        assert names(captured) == ["a", "b"]


def test_what_is_rolled_back_is_not(maker: sessionmaker[Session]) -> None:
    """By a rollback, by the end of the session, by a savepoint of any depth."""
    with request() as captured:
        with maker() as session:
            session.add(Tag(name="a"))
            session.flush()
            session.rollback()
            session.add(Tag(name="b"))
            outer = session.begin_nested()
            session.add(Tag(name="c"))
            session.begin_nested()
            session.add(Tag(name="d"))
            session.flush()
            outer.rollback()
            session.add(Tag(name="e"))
            session.commit()
            session.add(Tag(name="f"))
            session.execute(insert(Entry), [{"text": "f"}])
            session.flush()
        with maker.begin() as session:
            session.add(Tag(name="g"))
    assert names(captured) == ["b", "e", "g"]


def test_a_flush_that_fails_leaves_nothing(maker: sessionmaker[Session]) -> None:
    """Also of what it had executed before; in a savepoint, the rest stays."""
    with request() as captured, maker() as session:
        session.add(Tag(name="a"))
        session.commit()
        session.add(Tag(name="b"))
        session.flush()
        savepoint = session.begin_nested()
        session.add_all([Post(title="x"), Entry(text="x")])
        with pytest.raises(IntegrityError):
            session.execute(insert(Tag), [{"name": "a"}])
        savepoint.rollback()
        session.add(Tag(name="c"))
        session.commit()
        session.add(Post(title="y"))
        with pytest.raises(IntegrityError):
            session.execute(insert(Tag), [{"name": "a"}])
        session.rollback()
        session.add(Post(title="z"))
        session.execute(text("INSERT INTO tags (name) VALUES ('d')"))
        session.add(Tag(name="a"))
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
    assert names(captured) == ["a", "b", "c"]


def test_a_commit_that_fails_leaves_nothing(engine: Engine) -> None:
    """As with constraints that are checked at its end."""
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES tags DEFERRABLE INITIALLY DEFERRED)"
        )
        connection.commit()
    driver = engine.raw_connection().driver_connection
    assert driver is not None
    driver.execute("PRAGMA foreign_keys = ON")  # not in a transaction, where it would do nothing
    maker = sessionmaker(engine)
    with request() as captured, capture_changes(maker), maker() as session:
        session.add(Tag(name="x"))
        session.flush()
        session.execute(text("INSERT INTO a (b) VALUES ('nobody')"))
        with pytest.raises(IntegrityError):
            session.commit()
        session.rollback()
        session.add(Tag(name="y"))
        session.commit()
    assert names(captured) == ["y"]


def test_statements_in_the_hooks_of_a_flush_are_summed_up(maker: sessionmaker[Session]) -> None:
    """Those of mapper events, and bulk work before the flush; the flush's own are not."""

    def log(mapper: object, connection: object, target: Post) -> None:
        connection.execute(insert(table_of(Entry)).values(text="log"))  # type: ignore[attr-defined]

    def bulk(session: Session, flush: object, instances: object) -> None:
        session.execute(insert(Entry), [{"text": "bulk"}] * 2)

    event.listen(Post, "after_insert", log)
    event.listen(maker, "before_flush", bulk)
    try:
        with request() as captured, maker() as session:
            session.add(Post(title="a"))
            session.commit()
    finally:
        event.remove(Post, "after_insert", log)
    assert [(change.operation, change.type, change.count) for change in captured.changes] == [
        ("insert", "entries", 2),
        ("insert", "entries", 1),
        ("insert", "posts", None),
    ]


def test_a_change_belongs_to_the_request_that_made_it(maker: sessionmaker[Session], homeless: Failures) -> None:
    """Wherever it is committed: another thread, another request, outside of any."""
    session = maker()
    with request() as first:
        session.add(Tag(name="a"))
        session.flush()
    with request() as second:
        session.add(Tag(name="b"))
        session.flush()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(session.commit).result()
    assert names(first) == ["a"]
    assert names(second) == ["b"]
    assert homeless.counts() == {}
    session.close()


def test_threads_that_keep_the_context_are_in_the_request(maker: sessionmaker[Session], homeless: Failures) -> None:
    """Those that do not are outside of it, which is counted."""

    def work() -> None:
        with maker.begin() as session:
            session.add(Tag(name=threading.current_thread().name))

    with request() as captured:
        runs: list[tuple[str, Callable[..., Any]]] = [("kept", copy_context().run), ("lost", lambda each: each())]
        for name, target in runs:
            thread = threading.Thread(target=target, args=(work,), name=name)
            thread.start()
            thread.join()
    assert names(captured) == ["kept"]
    assert sum(homeless.counts().values()) == 1


def test_sessions_in_a_transaction_of_somebody_else_wait_for_its_end(
    engine: Engine, maker: sessionmaker[Session]
) -> None:
    """As in test suites that roll back what their tests commit."""
    with request() as captured, engine.connect() as connection:
        for end in ("rollback", "commit"):
            connection.begin()
            for name in ("a", "b"):
                with maker(bind=connection, join_transaction_mode="create_savepoint") as session:
                    session.add(Tag(name=name))
                    session.commit()
                    session.add(Tag(name="never"))
                    session.flush()
                    session.rollback()
            savepoint = connection.begin_nested()
            with maker(bind=connection, join_transaction_mode="rollback_only") as session:
                session.add(Tag(name="c"))
                session.commit()
            savepoint.rollback()
            with connection.begin_nested(), maker(bind=connection) as session:
                session.add(Tag(name="d"))
                session.commit()
            assert captured.changes == []
            getattr(connection, end)()
        connection.rollback()
        connection.execute(select(1))
        connection.commit()
    assert names(captured) == ["a", "b", "d"]


def test_a_connection_that_goes_on_without_the_session_is_not_its_own(
    engine: Engine, maker: sessionmaker[Session]
) -> None:
    """What is executed on it afterwards is no change of the session's."""
    with request() as captured, engine.connect() as connection:
        with maker(bind=connection) as session:
            session.add(Tag(name="a"))
            session.flush()
            session.rollback()
        connection.execute(update(Tag).values(colour="x"))
        connection.commit()
        with maker(bind=connection) as session:
            session.execute(select(Tag))
            session.commit()
    assert captured.changes == []


def test_engines_that_differ_by_options_are_heard_once(engine: Engine, maker: sessionmaker[Session]) -> None:
    """Tenants' schemas are such options."""
    tenant = engine.execution_options(schema_translate_map={None: None})
    with request() as captured:
        for bind in (engine, tenant, engine):
            with maker(bind=bind) as session:
                session.execute(insert(Entry), [{"text": "a"}])
                session.execute(text("UPDATE entries SET text = 'b' WHERE id = 1"))
                session.commit()
    assert [change.count for change in captured.changes] == [1] * 6


def test_a_capture_may_begin_within_a_transaction(engine: Engine) -> None:
    """And in a savepoint: what comes from then on is on record, as far as it is committed."""
    maker = sessionmaker(engine)
    with request() as captured, maker() as session:
        session.add(Tag(name="a"))
        session.flush()
        session.begin_nested()
        inner = session.begin_nested()
        with capture_changes(session):
            session.add(Tag(name="b"))
            session.flush()
            inner.rollback()
            session.add(Tag(name="c"))
            session.commit()
    assert names(captured) == ["c"]


def test_many_connections_have_one_transaction(engine: Engine) -> None:
    """A session of several databases, of which each is heard."""
    other = sessionmaker(engine, binds={Entry: engine, Tag: engine, Post: engine})
    with request() as captured, capture_changes(other), other() as session:
        session.add_all([Tag(name="a"), Post(title="p")])
        session.execute(insert(Entry), [{"text": "e"}])
        session.commit()
    assert {change.type for change in captured.changes} == {"tags", "posts", "entries"}
    assert isinstance(Tag.__table__, Table)
