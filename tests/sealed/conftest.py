import random
from pathlib import Path

import pytest

from tests.sealed.log import Log, Writer


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@pytest.fixture
def log(url: str, tmp_path: Path) -> Log:
    """A log in it, with a key and an anchor."""
    return Log(url, tmp_path)


@pytest.fixture
def writer() -> Writer:
    """Who writes to it."""
    return Writer(random.Random(1))
