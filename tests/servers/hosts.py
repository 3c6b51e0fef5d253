"""Servers as their users start them: by their command lines, in processes of their own, ended by signals."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

SECONDS = 30.0  # after which something that should have happened never will
GRACE = 1  # seconds that servers give running requests, if they can be told

#: What is typed after `python -m`; each gives running requests a second, where it can be told to.
COMMANDS = {
    "uvicorn": "uvicorn app:app --port {port} --timeout-graceful-shutdown 1",
    "uvicorn --http h11": "uvicorn app:app --port {port} --timeout-graceful-shutdown 1 --http h11",
    "uvicorn --workers 2": "uvicorn app:app --port {port} --timeout-graceful-shutdown 1 --workers 2",
    "uvicorn --reload": "uvicorn app:app --port {port} --timeout-graceful-shutdown 1 --reload",
    "uvicorn --lifespan off": "uvicorn app:app --port {port} --timeout-graceful-shutdown 1 --lifespan off",
    "hypercorn": "hypercorn app:app --bind 127.0.0.1:{port} --graceful-timeout 1",
    "hypercorn -k trio": "hypercorn app:app --bind 127.0.0.1:{port} --graceful-timeout 1 -k trio",
    "hypercorn --workers 2": "hypercorn app:app --bind 127.0.0.1:{port} --graceful-timeout 1 --workers 2",
    "granian": "granian app:app --interface asgi --port {port} --workers-kill-timeout 1",
    "granian --workers 2": "granian app:app --interface asgi --port {port} --workers-kill-timeout 1 --workers 2",
    "daphne": "daphne app:app --port {port}",
    "gunicorn": "gunicorn app:app -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} --graceful-timeout 1",
    "gunicorn --preload": (
        "gunicorn app:app -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} --graceful-timeout 1 --preload -w 2"
    ),
}
HOSTED = Path(__file__).parent / "hosted"


class Host(NamedTuple):
    """A running server, in its own process group and directory."""

    address: str
    process: subprocess.Popen[bytes]
    directory: Path

    def signal(self, number: signal.Signals) -> None:
        """What a terminal or an init system sends: to the server's own process."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the server and all of its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)

    def life(self) -> list[str]:
        """What the application has lived so far."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "life.txt").read_text(encoding="utf-8").splitlines()
        return []

    def wait_for(self, what: str) -> None:
        """Wait until the application has lived it."""
        until(lambda: what in self.life())

    def wait(self) -> int:
        """Wait until the server has ended; its exit code."""
        return self.process.wait(SECONDS)


class Slow(threading.Thread):
    """A client whose request is running."""

    status: int | None = None  # of the answer, if there was a whole one

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._url = f"{host.address}/slow"
        self.start()
        host.wait_for("slow begins")

    def run(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            self.status = httpx.post(self._url, timeout=SECONDS, trust_env=False).status_code

    def join_(self) -> int | None:
        """Wait until it is over."""
        self.join(SECONDS)
        assert not self.is_alive(), "the client still waits"
        return self.status


def until(done: Callable[[], bool]) -> None:
    """Wait for another process, which has no way to tell."""
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextlib.contextmanager
def hosted(command: str, directory: Path, module: str = "app") -> Iterator[Host]:
    """Serve the application of a module in `hosted/` in `directory`, which gets its journal and its database."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    paths = os.pathsep.join([str(HOSTED), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (directory / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[command].format(port=port).replace("app:app", f"{module}:app").split()],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        host = Host(f"http://127.0.0.1:{port}", process, directory)
        try:
            until(lambda: _answers(host))
            yield host
        except BaseException as error:
            error.add_note((directory / "server.log").read_text(encoding="utf-8", errors="replace")[-4000:])
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                host.kill()
            host.wait()


def _answers(host: Host) -> bool:
    assert host.process.poll() is None, (
        "the server ended before it served: `python3 dev.py test` installs what it needs"
    )
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{host.address}/ready", timeout=SECONDS, trust_env=False).status_code == 200
    return False
