"""The trail in an SQL database: the sink that writes it, the store that reads it, the tables and their versions."""

from importlib.util import find_spec

from ..errors import MissingDependencyError

if find_spec("sqlalchemy") is None or find_spec("greenlet") is None:
    # SQLAlchemy's asyncio layer needs greenlet, which only `sqlalchemy[asyncio]` installs everywhere.
    raise MissingDependencyError("asgi_audit.sqlalchemy", "sqlite")

from .migrations import SchemaError, include_object, upgrade, upgrade_database
from .sink import SQLAlchemySink
from .store import AuditStore

__all__ = ["AuditStore", "SQLAlchemySink", "SchemaError", "include_object", "upgrade", "upgrade_database"]
