"""Which session class, or which session, SQLAlchemy is to tell us about."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy.orm import Session, scoped_session, sessionmaker

from asgi_audit.errors import ConfigurationError, MissingDependencyError

try:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, async_sessionmaker
except ImportError as error:  # pragma: no cover - SQLAlchemy without greenlet
    raise MissingDependencyError("asgi_audit.changes", "sqlite") from error

Sessions: TypeAlias = (
    "sessionmaker[Any] | async_sessionmaker[Any] | scoped_session[Any] | async_scoped_session[Any]"
    " | type[Session] | type[AsyncSession] | Session | AsyncSession"
)


class Target(NamedTuple):
    """What to listen to, what undoes the change that this needed, and the engine, as far as it is known yet."""

    sessions: type[Session] | Session
    undo: Callable[[], None]
    bind: object = None


def target_of(given: object) -> Target:
    """The sessions that are meant.

    A maker of asynchronous sessions gets a class of its own for the synchronous ones inside: events of the class that
    all makers share would tell of all sessions there are.
    """
    if isinstance(given, scoped_session):
        return target_of(given.session_factory)
    if isinstance(given, async_scoped_session):
        return target_of(given.session_factory)
    if isinstance(given, sessionmaker):
        return Target(given.class_, _nothing, given.kw.get("bind"))
    if isinstance(given, async_sessionmaker):
        inner = given.kw.get("sync_session_class")
        found = _own(given.class_) if inner is None else target_of(inner)
        bind = given.kw.get("bind")
        return found._replace(bind=bind.sync_engine if isinstance(bind, AsyncEngine) else found.bind)
    if isinstance(given, AsyncSession):
        return Target(given.sync_session, _nothing)
    if isinstance(given, Session):
        return Target(given, _nothing)
    if isinstance(given, type) and issubclass(given, AsyncSession):
        return _own(given)
    if isinstance(given, type) and issubclass(given, Session):
        return Target(given, _nothing)
    raise ConfigurationError(
        "sessions", given, "pass a sessionmaker, a scoped_session, a Session class or a session, asynchronous or not"
    )


class _Own:
    """Marks the class that a class of asynchronous sessions has got from us."""


def _own(cls: type[AsyncSession]) -> Target:
    inner = cls.sync_session_class
    if not isinstance(inner, type):
        return target_of(inner)  # the application's own, so nothing need be put in its place
    if "sync_session_class" in vars(cls) and issubclass(inner, _Own):
        return Target(inner, _nothing)
    had = vars(cls).get("sync_session_class")
    mine: type[Session] = type(inner.__name__, (inner, _Own), {"__module__": inner.__module__})
    cls.sync_session_class = mine

    def undo() -> None:
        if vars(cls).get("sync_session_class") is mine:
            if had is None:
                del cls.sync_session_class
            else:
                cls.sync_session_class = had

    return Target(mine, undo)


def _nothing() -> None:
    return
