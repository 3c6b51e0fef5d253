"""Which sessions are captured, and until when."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from asgi_audit import AuditTrail
from asgi_audit.changes import capture_changes
from asgi_audit.errors import ConfigurationError
from asgi_audit.testing import MemorySink
from tests.changes.captured import request
from tests.changes.databases import asynchronous
from tests.changes.models import Base, Tag


class Own(Session):
    """An application's."""


class OwnAsync(AsyncSession):
    """An application's."""


class OwnInner(AsyncSession):
    """Says itself which sessions it has inside."""

    sync_session_class = Own


def _instance(engine: Engine) -> tuple[Any, Callable[[], Any]]:
    session = Session(engine)
    return session, lambda: session


def _makes(maker: Any) -> tuple[Any, Callable[[], Any]]:
    return maker, maker


TARGETS: dict[str, Callable[[Engine], tuple[Any, Callable[[], Any]]]] = {
    "sessionmaker": lambda engine: _makes(sessionmaker(engine)),
    "sessionmaker without engine": lambda engine: (maker := sessionmaker(), lambda: maker(bind=engine)),
    "scoped_session": lambda engine: _makes(scoped_session(sessionmaker(engine))),
    "scoped_session of a class": lambda engine: (scoped_session(Own), lambda: Own(engine)),  # type: ignore[arg-type]
    "class": lambda engine: (Own, lambda: Own(engine)),
    "class above": lambda engine: (Session, lambda: Own(engine)),
    "session": _instance,
}
ASYNCHRONOUS: dict[str, Callable[[AsyncEngine], tuple[Any, Callable[[], Any]]]] = {
    "async_sessionmaker": lambda engine: _makes(async_sessionmaker(engine)),
    "async_sessionmaker without engine": lambda engine: (maker := async_sessionmaker(), lambda: maker(bind=engine)),
    "async_sessionmaker of a class": lambda engine: _makes(async_sessionmaker(engine, class_=OwnAsync)),
    "async_sessionmaker of a class within": lambda engine: _makes(async_sessionmaker(engine, sync_session_class=Own)),
    "async_sessionmaker of a maker within": lambda engine: _makes(
        async_sessionmaker(engine, sync_session_class=sessionmaker())
    ),
    "async_scoped_session": lambda engine: (
        scoped := async_scoped_session(async_sessionmaker(engine), scopefunc=count().__next__),
        scoped,
    ),
    "class": lambda engine: (OwnAsync, lambda: OwnAsync(engine)),
    "class that says so": lambda engine: (OwnInner, lambda: OwnInner(engine)),
    "class above": lambda engine: (AsyncSession, lambda: OwnAsync(engine)),
    "session": lambda engine: (session := AsyncSession(engine), lambda: session),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_sessions_of_every_kind(engine: Engine, kind: str) -> None:
    """Are captured once they are asked for, and no more once that is undone; others are not."""
    target, make = TARGETS[kind](engine)
    with request() as captured:
        with capture_changes(target) as capture:
            assert capture_changes(target) is capture
            _add(make(), "a")
            if "above" not in kind:
                _add(Session(engine), "of somebody else")
        capture.remove()
        _add(make(), "b")
        with capture_changes(target):
            _add(make(), "c")
    assert [change.after["name"] for change in captured.changes] == ["a", "c"]


def _add(session: Any, name: str) -> None:
    session.add(Tag(name=name))
    session.commit()
    session.close()


@pytest.mark.parametrize("kind", ASYNCHRONOUS)
def test_asynchronous_sessions_of_every_kind(sqlite_url: str, kind: str) -> None:
    """As their synchronous likes."""
    before = [vars(each).get("sync_session_class") for each in (AsyncSession, OwnAsync, OwnInner)]

    async def add(session: Any, name: str) -> None:
        session.add(Tag(name=name))
        await session.commit()
        await session.close()

    async def run() -> list[str]:
        async with asynchronous(sqlite_url.replace("sqlite:", "sqlite+aiosqlite:")) as engine:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)
            target, make = ASYNCHRONOUS[kind](engine)
            with request() as captured:
                with capture_changes(target) as capture:
                    assert capture_changes(target) is capture
                    await add(make(), "a")
                    if "above" not in kind:
                        await add(AsyncSession(engine), "of somebody else")
                await add(make(), "b")
                with capture_changes(target):
                    await add(make(), "c")
            return [change.after["name"] for change in captured.changes]

    assert asyncio.run(run()) == ["a", "c"]
    assert [vars(each).get("sync_session_class") for each in (AsyncSession, OwnAsync, OwnInner)] == before


def test_undoing_leaves_alone_what_was_changed_since() -> None:
    """A class of sessions that the application has set later stays."""
    maker = async_sessionmaker[AsyncSession]()
    capture = capture_changes(maker)
    maker.configure(sync_session_class=Own)
    capture.remove()
    assert maker.kw["sync_session_class"] is Own


def test_a_change_is_on_record_once(engine: Engine) -> None:
    """Though several captures see the session: the first one keeps it. When that has ended, the other takes over."""
    maker = sessionmaker(engine, class_=Own)
    session = maker()
    with request() as captured, capture_changes(Own):
        with capture_changes(maker), capture_changes(session):
            for name in "ab":
                session.add(Tag(name=name))
                session.execute(text("UPDATE tags SET colour = 'red' WHERE name = 'a'"))
                with session.begin_nested():
                    session.execute(text("UPDATE tags SET colour = 'blue' WHERE name = 'a'"))
                session.commit()
        session.add(Tag(name="c"))
        session.commit()
        session.close()
    operations = [change.operation for change in captured.changes]
    assert operations == ["insert", "update", "update"] * 2 + ["insert"]


def test_a_capture_that_ends_in_a_transaction_records_nothing_of_it(engine: Engine) -> None:
    """It can't know how that ends."""
    maker = sessionmaker(engine)
    with request() as captured, maker() as session:
        with capture_changes(maker):
            session.add(Tag(name="a"))
            session.flush()
        session.commit()
    assert captured.changes == []


def test_a_session_that_is_forgotten_is_freed(engine: Engine) -> None:
    """Though it was captured."""
    session = Session(engine)
    capture = capture_changes(session)
    reference = weakref.ref(session)
    del session
    gc.collect()
    assert reference() is None
    capture.remove()


@pytest.mark.parametrize("sessions", [None, "sqlite://", Engine, object(), Tag, scoped_session(dict)])  # type: ignore[arg-type]
def test_what_makes_no_sessions_is_refused(sessions: Any) -> None:
    """With the argument and the remedy."""
    with pytest.raises(ConfigurationError, match=r"sessions=.*pass a sessionmaker"):
        capture_changes(sessions)


def test_what_is_no_trail_is_refused(engine: Engine) -> None:
    """A URL is no trail here: the application has one already."""
    maker = sessionmaker(engine)
    with pytest.raises(ConfigurationError, match="trail='sqlite://'"):
        capture_changes(maker, trail="sqlite://")  # type: ignore[arg-type]
    with capture_changes(maker), AuditTrail(MemorySink()) as trail, pytest.raises(ConfigurationError, match="already"):
        capture_changes(maker, trail=trail)
    with pytest.raises(ConfigurationError, match="pass a sessionmaker"):
        capture_changes(async_sessionmaker(sync_session_class=lambda **_: Own()))
