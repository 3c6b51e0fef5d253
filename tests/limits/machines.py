"""Processes on file systems, and under limits, that a test must not have for itself."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from tests.lives.processes import ENVIRONMENT, SOURCE

_ROOT = Path(__file__).parent.parent.parent
_NOBODY = 65534
_REMEDY = "these tests mount a file system of their own: run them as root, or allow unprivileged user namespaces"


def run(script: str, *arguments: object, before: tuple[str, ...] = (), **options: Any) -> None:
    """Run a Python script, perhaps by way of another command; it fails if anything in it does."""
    command = [*before, sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    environment = {
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join(map(str, (SOURCE, _ROOT))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=100, **options
    )
    assert ended.returncode == 0, ended.stderr


def run_on_disk(script: str, where: Path, options: str = "size=256k") -> None:
    """Run a Python script that finds a small disk at its first argument, which nobody else sees."""
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    probe = subprocess.run(["unshare", *user, "--mount", "true"], check=False, capture_output=True)
    assert probe.returncode == 0, _REMEDY
    mount = 'mount -t tmpfs -o "$1" tmpfs "$0" && shift && exec "$@"'
    run(script, where, before=("unshare", *user, "--mount", "sh", "-c", mount, str(where), options))


def run_as_nobody(script: str, where: Path) -> None:
    """Run a Python script as somebody whom permissions hold back, as they do not hold back root."""
    if os.geteuid() != 0:
        run(script, where)
        return
    for path in (where, *where.parents):
        if path.stat().st_uid == 0 and path != Path("/") and where.is_relative_to("/tmp"):
            path.chmod(path.stat().st_mode | 0o011)
    os.chown(where, _NOBODY, _NOBODY)
    run(script, where, user=_NOBODY, group=_NOBODY, extra_groups=[])
