"""The promises hold wherever the process is killed, or the disk fails, in any call that the journal makes."""

import sqlite3
from contextlib import closing
from itertools import count as numbers
from pathlib import Path

import pytest

from tests.syscalls.sweep import THREADS, Strike, count, sweep
from tests.syscalls.tracing import MODES, Program, journal_calls
from tests.syscalls.verdict import complaints

_SAMPLE = {"interval": 24, "always": 16}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fsync", _SAMPLE)
def test_every_call_may_fail_or_be_the_last(fsync: str, full: bool, tmp_path: Path) -> None:
    """What was answered is stored once, or declared as lost where the disk has failed; nothing else is stored.

    A killed process leaves nothing out; no payment runs without an intent on the disk; nothing is left in the journal.
    """
    points = count(tmp_path, fsync, plays=6 if full else 2)
    assert {"openat", "pwrite64", "write", "fsync", "unlink", "rename", "mkdir", "flock"} <= {
        each.call for each in points
    }
    strikes = [Strike(point, mode) for point in points for mode in MODES]
    if not full:  # evenly spread, and not all of one mode
        step = next(step for step in numbers(len(strikes) // _SAMPLE[fsync]) if step % len(MODES))
        strikes = strikes[::step]
    swept = sweep(tmp_path, strikes, fsync)
    print(f"\n{len(strikes)} of {len(points) * len(MODES)} strikes with fsync={fsync}\n{swept}")
    assert swept.complaints == {}
    assert swept.swept.total() + len(swept.absent) == len(strikes)
    assert len(swept.absent) <= 1 + len(strikes) // 100, "the threads share the journal's work almost always alike"


def test_a_lost_record_would_be_noticed(tmp_path: Path) -> None:
    """The oracle is no yes-man: without one record that was answered, it complains."""
    with Program() as program:
        assert program.play(tmp_path, THREADS[0]) == 0
    assert journal_calls(tmp_path, THREADS[0])
    assert complaints(tmp_path, killed=True) == []
    with closing(sqlite3.connect(tmp_path / "audit.db")) as connection, connection:
        connection.execute("DELETE FROM audit_records WHERE path = '/changed/9'")
    assert len(complaints(tmp_path, killed=True)) == 2, "the record is missing, and so is its number"
    assert len(complaints(tmp_path, killed=False)) == 2, "nor was it declared"
