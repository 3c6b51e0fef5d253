"""Where a trail is kept: a checked URL, and the engines that are made from it."""

import stat
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from asgi_audit.errors import ConfigurationError, MissingDependencyError

#: The driver that a URL without one gets.
_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_EXTRAS: Final = {"sqlite": "sqlite", "postgresql": "postgres"}
_ASYNC_REMEDY: Final = "needs an asynchronous driver, as in sqlite:///audit.db, postgresql://… or mysql+aiomysql://…"


class Database:
    """A database by its URL or by the user's own engine, checked at construction; nothing is connected yet.

    `name` has no credentials. `path` is the file of an SQLite database, absolute, so that a later change of the working
    directory does not move the trail.
    """

    def __init__(self, url_or_engine: str | URL | AsyncEngine) -> None:
        self._given: AsyncEngine | None = None
        if isinstance(url_or_engine, Engine):
            raise ConfigurationError("engine", url_or_engine, "give an AsyncEngine (create_async_engine) or a URL")
        if isinstance(url_or_engine, AsyncEngine):
            self._given = url_or_engine
            url = url_or_engine.url
        elif isinstance(url_or_engine, (str, URL)):
            url = _parse(url_or_engine)
        else:
            raise ConfigurationError("url", url_or_engine, "give a URL such as sqlite:///audit.db, or an AsyncEngine")
        self.name = _name(url)
        self.path = _file(url)
        if self.path is not None and self._given is None:
            self.path = self.path.absolute()
            url = url.set(database=str(self.path))
            if not self.path.parent.is_dir():
                raise ConfigurationError("url", self.name, f"the directory does not exist: mkdir -p {self.path.parent}")
        self._url = url
        if self._given is None:
            _check_driver(url, self.name)

    def writing(self) -> AsyncEngine:
        """A new engine for one long-lived connection of our own.

        Of a user's engine only the way it connects is taken (a copy of its pool), never its connections: those belong
        to the application's loop and to its transactions.
        """
        if self._given is not None:
            return create_async_engine(self._url, pool=self._given.pool.recreate(), hide_parameters=True)
        return create_async_engine(self._url, poolclass=NullPool, hide_parameters=True)

    def reading(self, *, keep: bool) -> AsyncEngine:
        """An engine for queries: the user's own, or a new one that creates no file.

        One that does not keep its connections works in every event loop, and leaves nothing open.
        """
        self.require_file()
        if self._given is not None:
            return self._given
        url = self._url
        if self.path is not None:
            url = url.set(database=f"file:{quote(str(self.path))}").update_query_dict({"uri": "true", "mode": "rw"})
        return create_async_engine(url, poolclass=AsyncAdaptedQueuePool if keep else NullPool, hide_parameters=True)

    def owns(self, engine: AsyncEngine) -> bool:
        """Whether the engine was made here, and is ours to dispose of."""
        return engine is not self._given

    def require_file(self) -> None:
        """Raise unless an SQLite database's file is there: connecting would make an empty one."""
        if self.path is not None and not self.path.is_file():
            raise ConfigurationError(
                "url",
                self.name,
                "there is no such file; a trail makes it with its first record, or `asgi-audit upgrade` now",
            )

    def create_file(self) -> None:
        """Make an SQLite database's file, for its owner alone, if there is none: a trail is nobody else's to read."""
        if self.path is not None:
            self.path.touch(mode=stat.S_IRUSR | stat.S_IWUSR)


def _parse(text: str | URL) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Neither the text nor the reason is repeated: a URL that cannot be parsed may still hold a password.
        raise ConfigurationError("url", "…", "not a database URL; write sqlite:///audit.db or postgresql://…") from None
    if url.drivername in _DRIVERS:
        url = url.set(drivername=_DRIVERS[url.drivername])
    if url.drivername.endswith("+asyncpg") and "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url


def _check_driver(url: URL, name: str) -> None:
    try:
        create_async_engine(url, poolclass=NullPool)
    except NoSuchModuleError:
        raise ConfigurationError("url", name, "SQLAlchemy knows no such dialect or driver") from None
    except InvalidRequestError:
        raise ConfigurationError("url", name, _ASYNC_REMEDY) from None
    except ImportError as error:
        extra = _EXTRAS.get(url.get_backend_name())
        if extra is None or error.name not in {"aiosqlite", "asyncpg"}:
            raise ConfigurationError("url", name, f"the driver is not installed: pip install {error.name}") from None
        raise MissingDependencyError(name, extra) from None


def _name(url: URL) -> str:
    backend = url.get_backend_name()
    database = url.database or (":memory:" if backend == "sqlite" else "")
    host = url.host or ""
    if ":" in host:
        host = f"[{host}]"
    port = f":{url.port}" if url.port else ""
    return f"{backend}://{host}{port}/{database}"


def _file(url: URL) -> Path | None:
    database = url.database
    if url.get_backend_name() != "sqlite" or not database or database == ":memory:":
        return None
    if database.startswith("file:"):
        if "uri" in url.query and (url.query.get("mode") == "memory" or database.startswith("file::memory:")):
            return None
        # Whoever does not know the file can neither make it private nor notice that it was deleted.
        raise ConfigurationError("url", _name(url), "not as a file: URI; write sqlite:/// and the path of the file")
    return Path(database)
