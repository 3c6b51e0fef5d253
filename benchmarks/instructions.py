"""Instructions per request, counted by callgrind: they do not move with the machine's noise.

`python -m benchmarks.instructions CASE REQUESTS PLACE` is what it runs, with two counts of requests, of which the
difference is taken. Nobody may edit the source meanwhile.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.cases import MAKERS
from benchmarks.traffic import serve

_WARM: Final = 50


def available() -> bool:
    """Whether they can be counted here."""
    return shutil.which("valgrind") is not None


def per_request(case: str, requests: int) -> float:
    """What one more request of the case takes, without delivery, in instructions."""
    _count(case, 0)  # compiles what has changed
    return (_count(case, _WARM + requests) - _count(case, _WARM)) / requests


def _count(case: str, requests: int) -> int:
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "callgrind.out"
        tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--quiet"]
        command = [*tool, sys.executable, "-m", "benchmarks.instructions", case, str(requests), place]
        environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": ":".join(filter(None, sys.path))}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        found = re.search(r"^(?:totals|summary): (\d+)", output.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def _serve(case: str, requests: int, place: Path) -> None:
    with MAKERS[case](place) as (app, method, _):
        asyncio.run(serve(app, method, requests))
        os._exit(0)  # before anything is delivered


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
