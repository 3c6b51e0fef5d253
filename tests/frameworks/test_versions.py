"""The story on the oldest versions that we say we support; test_story.py tells it on the newest, which are installed.

Django 5.2 is both for Python 3.11: newer ones want Python 3.12.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frameworks import story
from tests.served import served, trail

EXAMPLES = Path(__file__).parents[2] / "examples"
FORMS = {"python-multipart": "0.0.12"}  # of that time, under its name of then
OLDEST = {
    "fastapi": {"fastapi": "0.115.0", "starlette": "0.38.6"},
    "starlette": {"starlette": "0.38.6"},
}


def install(versions: dict[str, str], directory: Path) -> None:
    """Install these, and nothing that they need, where a process can be told to look first."""
    uv = shutil.which("uv")
    installer = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    wanted = [f"{name}=={version}" for name, version in versions.items()]
    command = [*installer, "--quiet", "--no-deps", "--target", str(directory), *wanted]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.stderr}"


@pytest.mark.parametrize("framework", OLDEST)
def test_the_story_leaves_the_same_records_on_the_oldest_version(framework: str, tmp_path: Path) -> None:
    """Routes, users and exceptions are found where they were then."""
    old = tmp_path / "old"
    install({**OLDEST[framework], **FORMS}, old)
    environment = {"PYTHONPATH": str(old)}
    for name, version in OLDEST[framework].items():
        ask = [sys.executable, "-c", f"import {name}; print({name}.__version__)"]
        told = subprocess.run(ask, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
        assert told.stdout.strip() == version
    with served("uvicorn", EXAMPLES / framework, tmp_path, environment) as address:
        story.play(address)
        records = trail(tmp_path, len(story.ON_RECORD) + 1)
    assert story.read(records) == [*story.ON_RECORD, story.chat_on("uvicorn")]
