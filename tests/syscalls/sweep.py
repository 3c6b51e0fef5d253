"""All points of the script, or a spread of them, struck in turn."""

import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

from tests.syscalls.tracing import MODES, Point, Program, journal_calls, journal_threads, struck
from tests.syscalls.verdict import complaints

#: Every thread that may touch the journal.
THREADS: Final = ("MainThread", "asgi-audit", "asgi-audit-sync", "asgi-audit-custodian")
_AT_ONCE: Final = 2
_ATTEMPTS: Final = 20


class Strike(NamedTuple):
    """What is done to which call."""

    point: Point
    mode: str

    def __str__(self) -> str:
        return f"{self.mode} at {self.point.call} {self.point.number} of {self.point.thread}"


class Sweep(NamedTuple):
    """What has come of it."""

    swept: Counter[tuple[str, str, str]]  # by thread, call and mode
    complaints: dict[str, list[str]]
    absent: list[str]  # strikes at calls that another thread made, each time that it was tried

    def __str__(self) -> str:
        lines = [
            f"{mode:>7} {call:<10} {thread:<21} {count}" for (thread, call, mode), count in sorted(self.swept.items())
        ]
        lines += [f"{strike}: never struck, for another thread has made the call" for strike in self.absent]
        lines += [f"{strike}: {complaint}" for strike, said in self.complaints.items() for complaint in said]
        return "\n".join(lines)


def count(where: Path, fsync: str, plays: int = 2) -> list[Point]:
    """What the script calls on the journal if nothing is wrong, thread by thread, each time that it is played."""
    points = []
    with Program() as program:
        home = where / "plain"
        home.mkdir()
        assert program.play(home, "MainThread", "-ff", fsync=fsync) == 0
        assert journal_threads(home) <= set(THREADS), "each thread that touches the journal is struck"
        for thread in THREADS:
            # Threads meet as they will, and who comes first syncs for both.
            first, *others = (_plain(where, thread, fsync, program) for _ in range(plays))
            points += [point for point in first if all(point in other for other in others)]
    return points


def _plain(where: Path, thread: str, fsync: str, program: Program) -> list[Point]:
    home = where / "plain"
    shutil.rmtree(home)
    home.mkdir()
    assert program.play(home, thread, fsync=fsync) == 0
    assert program.recover(home) == 0
    assert complaints(home, killed=False) == []
    return journal_calls(home, thread)


def sweep(where: Path, strikes: Sequence[Strike], fsync: str) -> Sweep:
    """Strike each of these calls in a run of its own, and judge what is left."""
    swept: Counter[tuple[str, str, str]] = Counter()
    said: dict[str, list[str]] = {}
    absent = []
    with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as pool:
        idle: SimpleQueue[Program] = SimpleQueue()
        for _ in range(_AT_ONCE):
            idle.put(stack.enter_context(Program()))
        for strike, found in zip(
            strikes, pool.map(lambda strike: _strike(where, strike, fsync, idle), strikes), strict=True
        ):
            if found is None:
                absent.append(str(strike))
                continue
            swept[strike.point.thread, strike.point.call, strike.mode] += 1
            if found:
                said[str(strike)] = found
    return Sweep(swept, said, absent)


def _strike(where: Path, strike: Strike, fsync: str, idle: "SimpleQueue[Program]") -> list[str] | None:
    program = idle.get()
    try:
        return _struck(where / str(strike).replace(" ", "-"), strike, fsync, program)
    finally:
        idle.put(program)


def _struck(home: Path, strike: Strike, fsync: str, program: Program) -> list[str] | None:
    point = strike.point
    for _ in range(_ATTEMPTS):  # threads meet as they will, so now and then a call is not there, or is another
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        inject = f"inject={point.call}:{MODES[strike.mode]}:when={point.number}"
        status = program.play(home, point.thread, "-e", inject, fsync=fsync)
        if struck(home, point):
            break
    else:
        return None
    killed = strike.mode == "kill"
    said = [] if status == (9 if killed else 0) else [f"it ended with {status}"]
    if program.recover(home):
        return [*said, "nobody could recover it"]
    said += complaints(home, killed=killed)
    if not said:
        shutil.rmtree(home)
    return said
