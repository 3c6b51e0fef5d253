"""The pytest plugin. Installed, it offers fixtures, and changes nothing for those who don't ask for them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asgi_audit.testing import MemoryTrail


@pytest.fixture
def audit_trail() -> Iterator[MemoryTrail]:
    """An audit trail in memory, anew for each test: give it to the application, or put it in place of its trail."""
    trail = MemoryTrail()
    yield trail
    trail.close()


@pytest.fixture
def assert_audited(audit_trail: MemoryTrail) -> Callable[..., Any]:
    """`audit_trail.assert_audited`: check that a record is as expected, and return it."""
    return audit_trail.assert_audited
