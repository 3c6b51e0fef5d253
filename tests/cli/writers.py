"""Processes that write to a journal for sinks that take nothing, and die, or live on."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lives.processes import ENVIRONMENT

COMMAND = [sys.executable, "-m", "asgi_audit", "journal"]

_SCRIPT = """
import asyncio, sys
from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit.journal import FileJournal

class Down:
    def __init__(self, name):
        self.name = name

    async def open(self): ...

    async def write(self, records):
        raise ConnectionError("down")

    async def close(self): ...

async def app(scope, receive, send):
    if scope["path"] == "/failing":  # of which there is a provisional record, as long as it runs
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body"})
    wait()

async def send(message): ...

def wait():
    print("ready", flush=True)
    sys.stdin.read()

place, writers, count, path, *lanes = sys.argv[1:]
trails = []
for _ in range(int(writers)):
    trail = AuditTrail(*map(Down, lanes), journal=FileJournal(place, fsync="never"), service="shop")
    trails.append(trail)
    for number in range(int(count)):
        trail.event("invoice.pay", data={"number": number})
if path:
    scope = {"type": "http", "method": "DELETE", "path": path, "headers": []}
    asyncio.run(AuditMiddleware(app, trail)(scope, None, send))
else:
    wait()
"""


@contextmanager
def living(place: Path, *lanes: str, count: int = 3, path: str = "", writers: int = 1) -> Iterator[None]:
    """A process that has recorded its opening and `count` events, and perhaps has a request running; killed at last.

    It may have several trails, each a writer of its own.
    """
    command = [sys.executable, "-c", _SCRIPT, str(place), str(writers), str(count), path, *lanes]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def dead(place: Path, *lanes: str, count: int = 3, path: str = "") -> Path:
    """The directory that such a process has left."""
    before = set(directories(place))
    with living(place, *lanes, count=count, path=path):
        pass
    (left,) = set(directories(place)) - before
    return left


def directories(place: Path) -> list[Path]:
    """All writers' directories."""
    return sorted(path for path in place.glob("*") if path.name != "quarantine") if place.exists() else []


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own, to its end."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=60)
