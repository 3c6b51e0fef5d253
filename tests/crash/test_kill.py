"""Promise 6: `kill -9` loses nothing of a request whose response ended, and a killed request is recorded so."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.figures import Figures
from tests.crash.rounds import Run

_ROUNDS = 10
_FULL_RUNS = 10


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run, or in full as many as make a hundred rounds, each on a database and a journal of its own."""
    if "run" in metafunc.fixturenames:
        metafunc.parametrize("run", range(_FULL_RUNS if metafunc.config.getoption("--full") else 1))


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_killed_at_any_moment(
    database: str, run: int, tmp_path: Path, figures: dict[str, Figures], request: pytest.FixtureRequest
) -> None:
    """Workers under load are killed and started again: no record is missing, none comes twice, none is made up."""
    url: str = request.getfixturevalue(f"{database}_url")
    seed = f"{random.SystemRandom().getrandbits(32):08x}"
    print(f"seed {seed}")
    game = Run(url, tmp_path / "journal", tmp_path, seed)
    game.play(_ROUNDS)
    outcome = game.outcome()
    figures[database] = figures.get(database, Figures()).plus(outcome.figures)
    assert outcome.verdict.faults == []
    assert outcome.figures.fewest >= 100
    assert outcome.figures.torn_tails >= 1, "no tail was torn, so the run proves nothing"
    assert outcome.figures.suppressed_duplicates >= 1, "nothing was delivered twice, so the run proves nothing"


def test_a_journal_in_memory_is_caught(tmp_path: Path) -> None:
    """The oracle sees what is lost: with a journal in memory and a database that takes nothing, that is everything."""
    path = tmp_path / "audit.db"
    game = Run(f"sqlite:///{path}", None, tmp_path, "memory")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        game.play(1)
        other.execute("ROLLBACK")
    outcome = game.outcome()
    assert outcome.figures.missing >= 100
    assert outcome.figures.duplicates == outcome.figures.spurious == outcome.figures.wrong == 0
