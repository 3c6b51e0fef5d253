"""Measures what the audit trail costs, beside what others cost and what the machine can do, in one run.

A whole run rewrites docs/performance.md with its plots and docs/performance/results.json; others only print.
"""

import argparse
import gc
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from benchmarks import against
from benchmarks.bench import Bench, Scale
from benchmarks.child import ROOT
from benchmarks.document import goals, publish, show
from benchmarks.results import Report, Results
from benchmarks.sections import adapters, backlog, durability, growth, in_process, peers, reading, server, sinks

_SECTIONS: Final[dict[str, Callable[[Bench], Results]]] = {
    "in-process": in_process.measure,
    "adapters": adapters.measure,
    "peers": peers.measure,
    "server": server.measure,
    "sinks": sinks.measure,
    "backlog": backlog.measure,
    "durability": durability.measure,
    "reading": reading.measure,
    "growth": growth.measure,
}
_PACKAGES: Final = ("uvicorn", "uvloop", "fastapi", "starlette", "msgspec", "sqlalchemy", "asyncpg", "aiosqlite")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and publish what was a whole run."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(_SECTIONS), metavar="SECTION", help=", ".join(_SECTIONS))
    parser.add_argument("--full", action="store_const", const=Scale.FULL, help="the long runs too")
    parser.add_argument("--smoke", action="store_const", const=Scale.SMOKE, help="only see that everything runs")
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--against", metavar="REV", help="show what has changed since a revision, in turns with it")
    given = parser.parse_args(arguments)
    scale = given.smoke or given.full or Scale.NORMAL
    names = given.only or list(_SECTIONS)
    if given.against is not None:
        return against.compare(ROOT, given.against, given.only or ["in-process"], scale)
    report = _run(names, scale)
    print(f"\n{goals(report)}")
    if given.json is not None:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if names == list(_SECTIONS) and scale is not Scale.SMOKE:
        publish(report, ROOT / "docs")
    return 0


def _run(names: Sequence[str], scale: Scale) -> Report:
    found, seconds = {}, {}
    gc.collect()
    gc.freeze()  # all that was imported: then collecting between two measurements takes no time
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / ".venv") as place, ExitStack() as stack:
        bench = Bench(scale, Path(place), stack)
        for name in names:
            start = time.perf_counter()
            found[name] = _SECTIONS[name](bench)
            seconds[name] = round(time.perf_counter() - start, 1)
            for each in found[name].tables:
                print(f"\n{show(each)}", flush=True)
    return Report(
        date=datetime.now(UTC).date().isoformat(),
        revision=_said("git", "rev-parse", "--short", "HEAD"),
        command=" ".join(["python3 dev.py bench", *([] if scale is Scale.NORMAL else [f"--{scale}"])]),
        machine={
            "processor": _processor(),
            "cores": str(os.cpu_count()),
            "system": f"{platform.system()}, {platform.machine()}",
        },
        versions={"Python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        sections=found,
        seconds=seconds,
    )


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
