"""Work in a process of its own, whose memory and whose end are its own, too."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
_CODE: Final = "import sys; from {module} import {name} as work; work(*sys.argv[1:])"


def environment(**more: str) -> dict[str, str]:
    """Ours, with the modules that we can import, and more."""
    return {**os.environ, "PYTHONPATH": ":".join(filter(None, [*sys.path, str(ROOT)])), **more}


def in_child(work: Callable[..., None], *arguments: object, ends_with: int = 0) -> Any:
    """What the work prints, as JSON; it gets its arguments as texts. `ends_with` is how its process has to end."""
    code = _CODE.format(module=work.__module__, name=work.__name__)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == ends_with, done.stderr
    return json.loads(done.stdout) if done.stdout else None
