"""The database that a command was given, and what is said when it can't be used."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import msgspec

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.errors import AuditError, MissingDependencyError

try:
    from sqlalchemy import URL
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError
except ImportError:
    raise MissingDependencyError("this verb", "sqlite") from None

from asgi_audit.sqlalchemy.database import Database

Address: TypeAlias = str | URL
VARIABLE: Final = "ASGI_AUDIT_URL"


def database_url(given: str | None) -> Address:
    """The URL, from the command line or the environment; what has no scheme is the path of a SQLite file."""
    url = given or os.environ.get(VARIABLE)
    if not url:
        raise CommandFailed(f"which database? give a URL such as sqlite:///audit.db, or set {VARIABLE}", Exit.USAGE)
    return url if "://" in url else URL.create("sqlite", database=url)


@contextmanager
def using(url: Address) -> Iterator[None]:
    """Whatever is wrong with the database inside the block is said in one line, without credentials."""
    name = Database(url).name
    try:
        yield
    except (AuditError, BrokenPipeError):  # the pipe is standard output
        raise
    except (SQLAlchemyError, sqlite3.Error, OSError, TimeoutError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        reason = next(iter(str(cause).splitlines()), type(cause).__name__)
        raise CommandFailed(f"{name}: {reason}", Exit.DATABASE) from error
    except msgspec.MsgspecError as error:
        said = f"{name}: a record in it is none any more ({error}); `asgi-audit verify` tells which"
        raise CommandFailed(said, Exit.DATABASE) from error
