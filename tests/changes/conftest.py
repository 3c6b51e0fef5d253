"""A database, and what a session in a request has handed to its draft."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from asgi_audit.changes import capture_changes
from asgi_audit.context import outside
from asgi_audit.failures import Failures
from tests.changes.databases import in_memory
from tests.changes.models import Base


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database with empty tables."""
    engine = in_memory()
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def maker(engine: Engine) -> Iterator[sessionmaker[Session]]:
    """Makes sessions that are captured."""
    maker = sessionmaker(engine)
    with capture_changes(maker):
        yield maker


@pytest.fixture
def homeless() -> Failures:
    """What fails outside of any request."""
    return outside
