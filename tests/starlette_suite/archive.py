"""Starlette's tests, out of its source distribution: they are in no wheel."""

import hashlib
import os
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest

# One entry per version that constraints.txt has pinned; a new one is computed with `sha256sum` and looked at.
SHA256 = {"1.10.0": "b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b"}


def unpack_suite(cache: Path, where: Path) -> Path:
    """Unpack the tests and their configuration below `where`, not the package: what is tested is what is installed."""
    release = f"starlette-{version('starlette')}"
    archive = _archive(version("starlette"), cache)
    with tarfile.open(archive) as source:
        members = [
            member
            for member in source
            if member.name.startswith(f"{release}/tests/") or member.name == f"{release}/pyproject.toml"
        ]
        source.extractall(where, members, filter="data")
    return where / release


def _archive(release: str, cache: Path) -> Path:
    """The archive, downloaded unless an earlier run has left it in the cache; verified each time."""
    if release not in SHA256:
        pytest.fail(
            f"Starlette {release} is installed, but only {', '.join(SHA256)} is known: add its digest to SHA256"
        )
    archive = cache / f"starlette-{release}.tar.gz"
    if not archive.exists():
        _download(release, archive)
    if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != SHA256[release]:
        pytest.fail(f"{archive} has the digest {found}, not the one that is pinned: remove it, then find out why")
    return archive


def _download(release: str, archive: Path) -> None:
    temporary = archive.parent / f"download-{os.getpid()}"
    # Without build isolation pip asks hatchling, which is here, for the metadata, and downloads nothing else.
    options = ["--no-binary", ":all:", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(temporary), f"starlette=={release}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        pytest.fail(
            f"Starlette's source distribution could not be had. Run where a package index can be reached:\n"
            f"{' '.join(command[:-3])} --dest {archive.parent} {command[-1]}\nIt said: {run.stderr.strip()}"
        )
    (temporary / archive.name).replace(archive)
    temporary.rmdir()
