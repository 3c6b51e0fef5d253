"""Processes of their own, for what must be seen from outside, or must not be done to the process of the tests."""

import os
import pickle
import subprocess
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import asgi_audit

T = TypeVar("T")

SOURCE = Path(asgi_audit.__file__).parent.parent
#: As a user's shell would have it, with the package on the path and warnings as errors.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONWARNINGS": "error"}


def run_script(script: str, where: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run a Python script to its end."""
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, cwd=where, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)


def fork() -> int:
    """Fork, though there are threads: that is what is tested, and newer Pythons warn of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def in_child(work: Callable[[], T]) -> T:
    """Fork, do the work in the child, return its result. The child ends at once, without atexit."""
    reader, writer = os.pipe()
    if (pid := fork()) == 0:
        try:
            os.write(writer, pickle.dumps(work()))
        except BaseException:  # noqa: BLE001 - the parent's tests must not run on in the child
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    os.waitpid(pid, 0)
    result: T = pickle.loads(content)
    return result
