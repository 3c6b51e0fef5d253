"""Which session class, or which session, SQLAlchemy is to tell us about."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy.orm import Session, scoped_session, sessionmaker

from asgi_audit.errors import ConfigurationError, MissingDependencyError

try:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_scoped_session, async_sessionmaker
except ImportError as error:  # pragma: no cover - SQLAlchemy without greenlet
    raise MissingDependencyError("asgi_audit.changes", "sqlite") from error

_INNER: Final = "sync_session_class"

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
        bind = given.kw.get("bind")
        found = _own(given.kw, given.kw.get(_INNER), given.class_.sync_session_class)
        return found._replace(bind=bind.sync_engine if isinstance(bind, AsyncEngine) else found.bind)
    if isinstance(given, AsyncSession):
        return Target(given.sync_session, _nothing)
    if isinstance(given, Session):
        return Target(given, _nothing)
    if isinstance(given, type) and issubclass(given, AsyncSession):
        return _own(_Attributes(given), vars(given).get(_INNER), given.sync_session_class)
    if isinstance(given, type) and issubclass(given, Session):
        return Target(given, _nothing)
    raise ConfigurationError(
        "sessions", given, "pass a sessionmaker, a scoped_session, a Session class or a session, asynchronous or not"
    )


class _Own:
    """Marks a class of sessions that we have made for a maker."""


class _Attributes:
    """A class's attributes, as a dictionary's items."""

    def __init__(self, cls: type) -> None:
        self._cls = cls

    def get(self, name: str) -> Any:
        return vars(self._cls).get(name)

    def __setitem__(self, name: str, value: object) -> None:
        setattr(self._cls, name, value)

    def __delitem__(self, name: str) -> None:
        delattr(self._cls, name)


def _own(place: dict[str, Any] | _Attributes, had: Any, default: Any) -> Target:
    """A class of its own for who keeps the class in `place`, where it had one or takes the default."""
    inner: Any = default if had is None else had
    if not isinstance(inner, type):
        return target_of(inner)  # a maker of the application's own, so nothing need be put in its place
    if had is not None and issubclass(had, _Own):
        return Target(had, _nothing)
    mine: type[Session] = type(inner.__name__, (inner, _Own), {"__module__": inner.__module__})
    place[_INNER] = mine

    def undo() -> None:
        if place.get(_INNER) is not mine:
            return  # the application has put something else there since
        if had is None:
            del place[_INNER]
        else:
            place[_INNER] = had

    return Target(mine, undo)


def _nothing() -> None:
    return
