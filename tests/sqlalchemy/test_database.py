"""Which URLs are taken, and what is said of the others."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

import asgi_audit.sqlalchemy
from asgi_audit.errors import ConfigurationError, MissingDependencyError
from asgi_audit.sqlalchemy.database import Database


@pytest.mark.parametrize(
    ("url", "driver", "name"),
    [
        ("sqlite:///audit.db", "aiosqlite", "sqlite:///audit.db"),
        ("sqlite+aiosqlite:///audit.db", "aiosqlite", "sqlite:///audit.db"),
        ("sqlite://", "aiosqlite", "sqlite:///:memory:"),
        ("sqlite:///file:x?mode=memory&cache=shared&uri=true", "aiosqlite", "sqlite:///file:x"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "aiosqlite", "sqlite:///file::memory:"),
        ("postgresql://u:p@h:5433/db", "asyncpg", "postgresql://h:5433/db"),
        ("postgres://u:p@h/db?sslmode=require", "asyncpg", "postgresql://h/db"),
        ("postgresql+asyncpg://u:p@[::1]:5432/db", "asyncpg", "postgresql://[::1]:5432/db"),
        ("postgresql:///db?host=/run/postgresql", "asyncpg", "postgresql:///db"),
        (make_url("sqlite:///audit.db"), "aiosqlite", "sqlite:///audit.db"),
    ],
)
def test_a_bare_url_finds_its_driver(url: Any, driver: str, name: str) -> None:
    """SQLite goes through aiosqlite and PostgreSQL through asyncpg; the name has no credentials and no options."""
    database = Database(url)
    assert database.writing().dialect.driver == driver
    assert database.name == name


def test_libpqs_sslmode_becomes_asyncpgs_ssl() -> None:
    """The option under its usual name reaches the driver under the driver's."""
    assert dict(Database("postgres://h/db?sslmode=require").writing().url.query) == {"ssl": "require"}


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("nonsense s3cr3t", "not a database URL"),
        ("postgresql://u:s3cr3t@h:port/db", "not a database URL"),
        ("oracle+nothing://u:s3cr3t@h/db", "no such dialect"),
        ("sqlite+pysqlite:///audit.db", "asynchronous driver"),
        ("mysql+aiomysql://u:s3cr3t@h/db", "pip install aiomysql"),
        ("sqlite:////nowhere/at/all/audit.db", "mkdir -p /nowhere/at/all"),
        ("sqlite:///file:audit.db?uri=true", "write sqlite:/// and the path"),
        ("sqlite:///file:audit.db?mode=memory", "write sqlite:/// and the path"),
        (create_async_engine("sqlite+aiosqlite:///file:audit.db?uri=true"), "write sqlite:/// and the path"),
        (Path("audit.db"), "give a URL"),
        (None, "give a URL"),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_once(url: Any, remedy: str) -> None:
    """The error says what to do, and repeats no password."""
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        Database(url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "module", "extra"),
    [("sqlite:///audit.db", "aiosqlite", "sqlite"), ("postgresql://h/db", "asyncpg", "postgres")],
)
def test_a_missing_driver_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, url: str, module: str, extra: str
) -> None:
    """The error is the line that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'asgi-audit\[{extra}\]'"):
        Database(url)


@pytest.mark.parametrize("missing", ["sqlalchemy", "greenlet"])
def test_without_sqlalchemy_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Importing the edge without its dependency is the line that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(MissingDependencyError, match=r"pip install 'asgi-audit\[sqlite\]'"):
        importlib.reload(asgi_audit.sqlalchemy)
