"""Instructions per request, counted by callgrind: they do not move with the machine's noise.

`python -m benchmarks.instructions CASE REQUESTS PLACE` is what it runs. Nobody may edit the source meanwhile.
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

from benchmarks.cases import MAKERS, Case
from benchmarks.child import environment

_WARM: Final = 100  # requests that are not counted
_CONTROL: Final = "callgrind_control"


def available() -> bool:
    """Whether they can be counted here."""
    return all(map(shutil.which, ("valgrind", _CONTROL)))


def per_request(case: str, requests: int) -> float:
    """What a request of the case takes, without delivery, in instructions."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "callgrind.out"
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}", "--quiet"]
        command = [*tool, sys.executable, "-m", "benchmarks.instructions", case, str(requests), place]
        subprocess.run(command, check=True, capture_output=True, env=environment(PYTHONHASHSEED="0"))
        found = re.search(r"^(?:totals|summary): (\d+)", output.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / requests


async def _serve(case: Case, requests: int) -> None:
    await case.client(case.app, case.request, requests)


def _count(case: Case, requests: int) -> None:
    """Count only what is done once everything is warm, up to the last request: nothing is delivered."""
    with asyncio.Runner() as runner:
        runner.run(_serve(case, _WARM))
        if available():
            subprocess.run([_CONTROL, "--instr=on", str(os.getpid())], capture_output=True, check=False)
        runner.run(_serve(case, requests))
        os._exit(0)


if __name__ == "__main__":
    with MAKERS[sys.argv[1]](Path(sys.argv[3])) as _case:
        _count(_case, int(sys.argv[2]))
