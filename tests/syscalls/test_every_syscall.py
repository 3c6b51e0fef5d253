"""The promises hold wherever the process is killed, or the disk fails, in any call that the journal makes."""

import sqlite3
from collections import Counter
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
    points = count(tmp_path, fsync)
    strikes = [Strike(point, mode) for point in points for mode in MODES]
    if not full:  # evenly spread, and not all of one mode
        step = next(step for step in numbers(len(strikes) // _SAMPLE[fsync]) if step % len(MODES))
        strikes = strikes[::step]
    swept = sweep(tmp_path, strikes, fsync)
    print(f"\n{len(strikes)} of {len(points) * len(MODES)} strikes with fsync={fsync}\n{swept}")
    assert swept.complaints == {}
    assert swept.swept == Counter((strike.point.thread, strike.point.call, strike.mode) for strike in strikes)
    if full:
        assert swept.swept.total() == len(points) * len(MODES)


def test_the_script_does_all_that_a_journal_does(tmp_path: Path) -> None:
    """In 30 requests segments are made, filled, confirmed and removed, and cursors are saved."""
    calls = {point.call for point in count(tmp_path, "interval")}
    assert {"openat", "pwrite64", "write", "fdatasync", "fsync", "unlink", "rename", "mkdir", "flock"} <= calls


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
