"""What all tests share: hypothesis profiles, the option for long runs, the fixtures of servers and databases."""

from pathlib import Path

import hypothesis
import pytest

from asgi_audit.context import outside
from asgi_audit.failures import Failures
from tests.notebook import draft, notebook  # noqa: F401
from tests.postgres import postgres, postgres_admin_url, postgres_url  # noqa: F401 - fixtures
from tests.sqlite import sqlite_url  # noqa: F401

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("full", parent=hypothesis.settings.get_profile("default"), max_examples=1000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--full` is what `dev.py crash` asks for."""
    parser.addoption("--full", action="store_true", help="do in full what is only sampled otherwise; takes an hour")


def pytest_configure(config: pytest.Config) -> None:
    """Let hypothesis look as long as there is time."""
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "default")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals in the default place are the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process counts outside of any request is the test's own."""
    fresh = Failures()
    for name in ("_counts", "_logged", "_last"):
        monkeypatch.setattr(outside, name, getattr(fresh, name))


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether a test that has a sample and a whole should do the whole."""
    return bool(request.config.getoption("--full"))
