"""The trail in an SQL database: written, read, sealed, verified, and what little may be taken out of it."""

from importlib.util import find_spec

from asgi_audit.errors import MissingDependencyError

if find_spec("sqlalchemy") is None or find_spec("greenlet") is None:
    # SQLAlchemy's asyncio layer needs greenlet, which only `sqlalchemy[asyncio]` installs everywhere.
    raise MissingDependencyError("asgi_audit.sqlalchemy", "sqlite")

from asgi_audit.sqlalchemy.erasing import Eraser
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.sqlalchemy.migrations import SchemaError, include_object, upgrade, upgrade_database
from asgi_audit.sqlalchemy.proving import prove
from asgi_audit.sqlalchemy.purging import Purger
from asgi_audit.sqlalchemy.sealer import Sealer
from asgi_audit.sqlalchemy.sink import SQLAlchemySink
from asgi_audit.sqlalchemy.store import AuditStore

__all__ = [
    "AuditStore",
    "DatabaseEvidence",
    "Eraser",
    "Purger",
    "SQLAlchemySink",
    "SchemaError",
    "Sealer",
    "include_object",
    "prove",
    "upgrade",
    "upgrade_database",
]
