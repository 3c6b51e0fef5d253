"""What a recorded request costs inside the process, above the bare application and beside the no-op wrapper.

`python -m benchmarks.in_process`. Of the first table everything is the thread's that serves: sinks do nothing, and only
between the repetitions. The second one has the whole process, with the delivery to SQLite.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from benchmarks import instructions
from benchmarks.cases import DELIVERING, MAKERS, Case, Maker
from benchmarks.table import table
from benchmarks.traffic import serve

_UNIT: Final = "no-op"
_COUNTED: Final = 500  # requests, for instructions


class Took(NamedTuple):
    """Microseconds per request."""

    cpu: float
    wall: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000, help="of a repetition")
    parser.add_argument("--repetitions", type=int, default=31)
    parser.add_argument("--no-instructions", action="store_true", help="do not count them, which takes a minute")
    given = parser.parse_args()
    counts: dict[str, float] = {}
    if instructions.available() and not given.no_instructions:
        counts = {case: instructions.per_request(case, _COUNTED) for case in MAKERS}
    print("\nAdded per request, in the thread that serves\n")
    print(_table(_measure(MAKERS, given, whole=False), counts))
    print("\nAdded per request, in the whole process, everything delivered\n")
    print(_table(_measure({**_few("bare", _UNIT), **DELIVERING}, given, whole=True), {}))


def _few(*names: str) -> dict[str, Maker]:
    return {name: MAKERS[name] for name in names}


def _measure(makers: Mapping[str, Maker], given: argparse.Namespace, *, whole: bool) -> dict[str, Took]:
    """The medians of what each case adds to the bare one of the same repetition."""
    added: dict[str, list[Took]] = defaultdict(list)
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        place = Path(temporary)
        cases = {name: stack.enter_context(make(_new(place / name))) for name, make in makers.items()}
        for number in range(-2, given.repetitions):  # the first ones warm up
            took = {name: _time(loop, case, given.requests, whole=whole) for name, case in cases.items()}
            bare = took.pop("bare")
            for name, each in took.items() if number >= 0 else ():
                added[name].append(Took(each.cpu - bare.cpu, each.wall - bare.wall))
    loop.close()
    return {name: Took(*map(median, zip(*each, strict=True))) for name, each in added.items()}


def _new(directory: Path) -> Path:
    directory.mkdir()
    return directory


def _time(loop: asyncio.AbstractEventLoop, case: Case, requests: int, *, whole: bool) -> Took:
    gc.collect()
    clock: Callable[[], float] = time.process_time if whole else time.thread_time
    cpu, wall = clock(), time.perf_counter()
    loop.run_until_complete(serve(case.app, case.method, requests))
    if whole:
        case.deliver()
    took = Took((clock() - cpu) / requests * 1e6, (time.perf_counter() - wall) / requests * 1e6)
    case.deliver()
    return took


def _table(added: Mapping[str, Took], counts: Mapping[str, float]) -> str:
    unit = added[_UNIT]
    more = {name: count - counts["bare"] for name, count in counts.items()}
    return table(
        ["work", "CPU µs", "x no-op", "wall µs", "x no-op", "instructions", "x no-op"],
        [
            [name, took.cpu, took.cpu / unit.cpu, took.wall, took.wall / unit.wall]
            + ([round(more[name]), more[name] / more[_UNIT]] if more else [None, None])
            for name, took in added.items()
        ],
    )


if __name__ == "__main__":
    main()
