"""What all tests share: hypothesis profiles, the option for long runs, the fixtures of servers and databases."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from asgi_audit.journal.syncer import Syncer
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


@pytest.fixture(autouse=True, scope="session")
def _threads_end_one_by_one() -> Iterator[None]:
    """Two threads that end at once may stop a traced Python 3.11 for ever, in greenlet's clean-up after them."""
    turn, run = threading.Lock(), Syncer._run

    def run_and_take_turns(syncer: Syncer) -> None:
        run(syncer)
        del syncer
        with turn:
            time.sleep(0.05)  # there is no event: the clean-up comes when the thread is gone

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Syncer, "_run", run_and_take_turns)
        yield


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals in the default place are the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether a test that has a sample and a whole should do the whole."""
    return bool(request.config.getoption("--full"))
