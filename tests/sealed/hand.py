"""The database's owner: a connection past the library, to which nothing is forbidden."""

import asyncio
import re
import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from asgi_audit.integrity.projection import utc_text
from tests.postgres import execute

#: A row, by the names of its columns.
Stored: TypeAlias = dict[str, Any]

TABLES = ("audit_records", "audit_leaves", "audit_checkpoints")
_RULES = "SELECT conname AS name FROM pg_constraint WHERE conrelid = to_regclass(?) AND contype IN ('p', 'u')"
_DUTIES = "SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnotnull AND attnum > 0"


class Hand(Protocol):
    """Runs statements with question marks for values, all in one transaction that `close` commits."""

    def ask(self, statement: str, *values: Any) -> list[Stored]:
        """The rows of an answer."""

    def run(self, statement: str, *values: Any) -> None:
        """Change something."""

    def time(self, time: datetime) -> Any:
        """A time, as its columns hold it."""

    def relax(self) -> None:
        """Take away whatever keeps the rows in form: keys, uniqueness, NOT NULL."""

    def close(self) -> None:
        """Have done."""


class SQLiteHand:
    """Works on a file."""

    def __init__(self, url: str) -> None:
        self._database = sqlite3.connect(_path(url), isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript("PRAGMA synchronous = OFF; BEGIN")

    def ask(self, statement: str, *values: Any) -> list[Stored]:
        return [dict(row) for row in self._database.execute(statement, values)]

    def run(self, statement: str, *values: Any) -> None:
        self._database.execute(statement, values)

    def time(self, time: datetime) -> str:
        return utc_text(time)

    def relax(self) -> None:
        for name in TABLES:
            made = self.ask("SELECT sql FROM sqlite_master WHERE name = ?", name)[0]["sql"]
            bare = re.sub(r", \n\tCONSTRAINT .*(?=\n\))", "", made.replace(" NOT NULL", ""), flags=re.DOTALL)
            self.run(f"ALTER TABLE {name} RENAME TO old_{name}")
            self.run(bare)
            self.run(f"INSERT INTO {name} SELECT * FROM old_{name}")
            self.run(f"DROP TABLE old_{name}")
        self.run("CREATE INDEX bare_records ON audit_records (id)")
        self.run("CREATE INDEX bare_leaves ON audit_leaves (record_id)")

    def close(self) -> None:
        self._database.execute("COMMIT")
        self._database.close()

    @staticmethod
    async def copy(url: str, name: str) -> str:
        """Copy the database to another file beside it, with what stands in its write-ahead log."""
        target = _path(url).with_name(f"{name}.db")
        with closing(sqlite3.connect(_path(url))) as old, closing(sqlite3.connect(target)) as new:
            old.backup(new)
        return f"sqlite:///{target}"

    @staticmethod
    async def drop(url: str) -> None:
        """Remove a copy."""
        for end in ("", "-wal", "-shm"):
            Path(f"{_path(url)}{end}").unlink(missing_ok=True)


class PostgresHand:
    """Works on a server, as its superuser."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = self._runner.run(_connect(url))

    def ask(self, statement: str, *values: Any) -> list[Stored]:
        return [dict(row) for row in self._runner.run(self._database.fetch(_numbered(statement), *values))]

    def run(self, statement: str, *values: Any) -> None:
        self._runner.run(self._database.execute(_numbered(statement), *values))

    def time(self, time: datetime) -> datetime:
        return time

    def relax(self) -> None:
        for name in TABLES:
            for row in self.ask(_RULES, name):
                self.run(f"ALTER TABLE {name} DROP CONSTRAINT {row['name']}")
            for row in self.ask(_DUTIES, name):
                self.run(f"ALTER TABLE {name} ALTER COLUMN {row['name']} DROP NOT NULL")

    def close(self) -> None:
        self._runner.run(self._database.execute("COMMIT"))
        self._runner.run(self._database.close())
        self._runner.close()

    @staticmethod
    async def copy(url: str, name: str) -> str:
        """Copy the database to another one on its server."""
        parts = urlsplit(url)
        fresh = f"audit_{name}_{uuid.uuid4().hex[:8]}"
        await execute(_admin(url), f"CREATE DATABASE {fresh} TEMPLATE {parts.path[1:]}")
        return urlunsplit(parts._replace(path=f"/{fresh}"))

    @staticmethod
    async def drop(url: str) -> None:
        """Remove a copy."""
        await execute(_admin(url), f"DROP DATABASE {urlsplit(url).path[1:]} WITH (FORCE)")


#: What opens, copies and drops databases of a kind.
Driver: TypeAlias = type[SQLiteHand] | type[PostgresHand]


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    connection = await asyncpg.connect(url)
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
    await connection.execute("BEGIN")
    return connection


def _numbered(statement: str) -> str:
    """PostgreSQL numbers the places of values."""
    number = 0

    def place(_: re.Match[str]) -> str:
        nonlocal number
        number += 1
        return f"${number}"

    return re.sub(r"\?", place, statement)


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _admin(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path="/postgres"))
