"""What becomes of rows: the changes that a SQLAlchemy session commits, on the record of the request that made them."""

from importlib.util import find_spec

from asgi_audit.errors import MissingDependencyError

if find_spec("sqlalchemy") is None:
    raise MissingDependencyError("asgi_audit.changes", "sqlite")

from asgi_audit.changes.capture import Capture, capture_changes

__all__ = ["Capture", "capture_changes"]
