"""An application that a real server serves, as its user starts it, and the trail that it leaves."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from asgi_audit import AuditError, Record
from asgi_audit.sqlalchemy import AuditStore

# What is typed after `python -m`.
COMMANDS = {
    "uvicorn": "uvicorn app:app --port {port}",
    "hypercorn": "hypercorn app:app --bind 127.0.0.1:{port}",
    "granian": "granian app:app --interface asgi --port {port}",
    "daphne": "daphne app:app --port {port}",
}
_SECONDS = 30.0


@contextlib.contextmanager
def served(server: str, source: Path, directory: Path, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Serve `app.py` of the folder `source`, in `directory`, which gets the database; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", *COMMANDS[server].format(port=port).split()]
    paths = {"PYTHONPATH": os.pathsep.join([str(source), (environment or {}).get("PYTHONPATH", "")])}
    with open(directory / "server.log", "w+b") as log:  # noqa: PTH123 - a file that a process writes to
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **(environment or {}), **paths}, stdout=log, stderr=log
        )
        try:
            _wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        except BaseException as error:
            error.add_note((directory / "server.log").read_text(encoding="utf-8", errors="replace")[-4000:])
            raise
        finally:
            process.terminate()
            process.wait(_SECONDS)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens there; nobody tells when."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended before it served: `python3 dev.py test` installs what it needs"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def trail(directory: Path, count: int) -> list[Record]:
    """What `audit.db` holds of requests and events once so many have been delivered, oldest first."""

    async def read() -> list[Record]:
        async with AuditStore(f"sqlite:///{directory}/audit.db") as store:
            return [
                record
                async for record in store.query(oldest_first=True)
                if record.kind in {"http", "websocket", "event"}
            ]

    found: list[Record] = []
    while len(found) < count:
        with contextlib.suppress(AuditError):  # the file, or the tables in it, are not there yet
            found = asyncio.run(read())
        time.sleep(0.05)  # nobody tells another process that something was stored
    return found
