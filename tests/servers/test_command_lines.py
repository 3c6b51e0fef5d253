"""Servers from their command lines, told to end in every way while a request is running: the promises hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from asgi_audit import AuditMiddleware, ConfigurationError
from asgi_audit.testing import MemorySink
from tests.servers.hosts import COMMANDS, HOSTED
from tests.servers.survey import PAGE, WAYS, end, rows

#: What every run does; `--full` does all.
SAMPLE = [
    *(("uvicorn", way) for way in WAYS),
    *((command, way) for command in ("hypercorn", "granian", "daphne") for way in ("within", "past")),
    ("uvicorn --workers 2", "past"),
    ("hypercorn --workers 2", "past"),
    ("gunicorn --preload", "past"),
    ("gunicorn --preload", "kill"),
]

UNDECIDED = {("hypercorn --workers 2", "within")}  # it kills its workers as soon as it comes to it


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair servers with ways to end."""
    if "way" in metafunc.fixturenames:
        whole = [(command, way) for command in COMMANDS for way in WAYS]
        metafunc.parametrize(("command", "way"), whole if metafunc.config.getoption("--full") else SAMPLE)


def test_a_server_that_ends_leaves_one_record_of_each_request(command: str, way: str, tmp_path: Path) -> None:
    """What was answered is on record as such, what was not as what became of it; nothing is lost, nothing twice."""
    ending = end(command, way, tmp_path)
    assert sorted((str(each.kind), each.request and each.request.path) for each in ending.records) == [
        ("http", "/quick"),
        ("http", "/slow"),
    ]
    assert ending.records[0].outcome == "success"
    assert ending.outcome == ("success" if ending.answered else ending.outcome)
    assert ending.answered or ending.outcome in {"cancelled", "interrupted"}
    if (command, way) in UNDECIDED:
        return
    table = rows(PAGE.read_text(encoding="utf-8"))
    assert ending.outcome == table[command][list(WAYS).index(way)], "docs/servers.md: python -m tests.servers.survey"


def test_the_page_tells_of_every_server() -> None:
    """And of every way in which it may end."""
    table = rows(PAGE.read_text(encoding="utf-8"))
    assert list(table) == list(COMMANDS)
    assert {len(cells) for cells in table.values()} == {len(WAYS) + 1}


def test_rsgi_is_refused_clearly(tmp_path: Path) -> None:
    """Granian's default interface is not ASGI; without a word every request would fail, and nothing be on record."""
    command = [sys.executable, "-m", "granian", "app:app", "--interface", "rsgi", "--port", "0"]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(HOSTED), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ConfigurationError" in ended.stdout + ended.stderr
    assert "serve it as ASGI: granian --interface asgi" in ended.stdout + ended.stderr


def test_rsgi_is_refused_as_a_worker_starts() -> None:
    """Before there is any request."""

    async def app(scope: object, receive: object, send: object) -> None:
        """Do nothing."""

    middleware = AuditMiddleware(app, MemorySink())
    with pytest.raises(ConfigurationError, match="granian --interface asgi"):
        middleware.__rsgi_init__(None)
    middleware.trail.close()
