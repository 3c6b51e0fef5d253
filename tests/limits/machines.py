"""Processes on file systems, and under limits, that a test must not have for itself."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.lives.processes import ENVIRONMENT, SOURCE

_ROOT = Path(__file__).parent.parent.parent
_REMEDY = "these tests mount a file system of their own: run them as root, or allow unprivileged user namespaces"


def start(script: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start a Python script."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)], env=_environment(), text=True, **options
    )


def run(script: str, *arguments: object, before: tuple[str, ...] = (), **options: Any) -> None:
    """Run a Python script, perhaps by way of another command; it fails if anything in it does."""
    command = [*before, sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    ended = subprocess.run(
        command, env=_environment(), capture_output=True, text=True, check=False, timeout=100, **options
    )
    assert ended.returncode == 0, ended.stderr


def run_on_disk(script: str, where: Path, options: str = "size=256k") -> None:
    """Run a Python script that finds a small disk at its first argument, which nobody else sees."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    probe = subprocess.run(["unshare", *user, "--mount", "true"], check=False, capture_output=True)
    assert probe.returncode == 0, _REMEDY
    mount = 'mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@"'
    run(script, where, before=("unshare", *user, "--mount", "sh", "-c", mount, str(where), options))


def run_unprivileged(script: str, where: Path) -> None:
    """Run a Python script as one whom permissions hold back, as without this they do not hold back root."""
    ordinary = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    run(script, where, before=ordinary)


def _environment() -> dict[str, str]:
    # Whoever runs it may not write here.
    return {**ENVIRONMENT, "PYTHONPATH": f"{SOURCE}{os.pathsep}{_ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
