"""Promise 6: `kill -9` loses nothing of a request whose response ended, and a killed request is recorded so."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from asgi_audit.journal.durability import Fsync
from tests.crash.figures import Figures
from tests.crash.orders import Orders
from tests.crash.rounds import Run

_ROUNDS = 10
#: Each on a database and a journal of its own.
_FULL_RUNS = 12
#: So little that segments come and go all the time, and what there is by default.
_SEGMENT_BYTES = [2**15, 2**23]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run on each database, or in full many, with every kind of journal."""
    if "orders" in metafunc.fixturenames:
        modes = get_args(Fsync)
        every = [
            pytest.param((database, modes[run % len(modes)], _SEGMENT_BYTES[run % 2]), id=f"{database}-{run}")
            for database in ("sqlite", "postgres")
            for run in range(_FULL_RUNS)
        ]
        chosen = every if metafunc.config.getoption("--full") else [every[1], every[_FULL_RUNS + 4]]
        metafunc.parametrize("orders", chosen, indirect=True)


@pytest.fixture
def orders(request: pytest.FixtureRequest, tmp_path: Path) -> Orders:
    """What the application is to work with."""
    database, fsync, segment_bytes = request.param
    url = request.getfixturevalue(f"{database}_url")
    return Orders(
        sink=url, ran=tmp_path / "ran", journal=tmp_path / "journal", fsync=fsync, segment_bytes=segment_bytes
    )


@pytest.mark.timeout(300)
def test_killed_at_any_moment(orders: Orders, tmp_path: Path, figures: dict[str, Figures]) -> None:
    """Workers under load are killed and started again: no record is missing, none comes twice, none is made up."""
    seed = f"{random.SystemRandom().getrandbits(32):08x}"
    print(f"\n{orders} {seed=}")
    run = Run(orders, tmp_path / "server.log", seed)
    run.play(_ROUNDS)
    outcome = run.outcome()
    database = orders.sink.partition(":")[0]
    figures[database] = figures.get(database, Figures()).plus(outcome.figures)
    assert outcome.verdict.faults == []
    assert outcome.figures.fewest >= 100
    assert outcome.figures.torn_tails >= 1, "no tail was torn, so the run proves nothing"
    assert outcome.figures.suppressed_duplicates >= 1, "nothing was delivered twice, so the run proves nothing"


def test_a_journal_in_memory_is_caught(tmp_path: Path) -> None:
    """The oracle sees what is lost: with a journal in memory and a database that takes nothing, that is everything."""
    path = tmp_path / "audit.db"
    run = Run(Orders(sink=f"sqlite:///{path}", ran=tmp_path / "ran"), tmp_path / "server.log", "memory")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        run.play(1)
        other.execute("ROLLBACK")
    outcome = run.outcome()
    assert outcome.figures.missing >= 100
    assert outcome.figures.duplicates == outcome.figures.spurious == outcome.figures.wrong == 0
