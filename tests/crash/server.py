"""uvicorn with two workers, in a process group of its own that can be killed as a whole."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.crash.load import HOST
from tests.crash.orders import Orders

ROOT = Path(__file__).parent.parent.parent
_SECONDS = 30.0  # after which something that should have happened never will


class Server:
    """One address, and one server after the other that listens there."""

    def __init__(self, orders: Orders, log: Path) -> None:
        # Bound but never listening: the port stays ours while the server is down, and the server can still have it.
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind((HOST, 0))
        self.port: int = self._reservation.getsockname()[1]
        self._environment = orders.written() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
        self._log = log
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def group(self) -> int:
        """The process group of the server that runs."""
        assert self._supervisor is not None
        return self._supervisor.pid

    def start(self) -> None:
        """Start the server if it does not run, and return when it answers."""
        if self._supervisor is not None:
            return
        command = [sys.executable, "-m", "uvicorn", "tests.crash.app:app", "--workers=2", "--no-access-log"]
        command += [f"--host={HOST}", f"--port={self.port}", "--log-level=warning"]
        with self._log.open("ab") as log:
            self._supervisor = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._supervisor.poll() is None, f"the server has ended:\n{self._log.read_text()}"
            assert time.monotonic() < deadline, f"the server does not answer:\n{self._log.read_text()}"
            # Nobody listens yet, and nothing tells when that will be.
            threading.Event().wait(0.02)

    def kill(self) -> None:
        """Kill the supervisor and all workers at one stroke, and return when none of them runs any more."""
        if self._supervisor is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait(_SECONDS)
            _await_end(self._supervisor.pid)
            self._supervisor = None

    def stop(self) -> None:
        """Tell the server to stop, and return when it has."""
        if self._supervisor is not None:
            self._supervisor.terminate()
            self._supervisor.wait(_SECONDS)
            _await_end(self._supervisor.pid)
            self._supervisor = None

    def close(self) -> None:
        """Leave nothing behind."""
        self.kill()
        self._reservation.close()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=_SECONDS) as connection:
            connection.sendall(b"GET /read/ready HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
        return False


@contextlib.contextmanager
def server(orders: Orders, log: Path) -> Iterator[Server]:
    """A server that has not started yet; whatever happens, no process of it stays."""
    made = Server(orders, log)
    try:
        yield made
    finally:
        made.close()


def _await_end(group: int) -> None:
    """Wait until no process of the group runs; a signal to all of them ends each in its own time."""
    while running := list(members(group)):
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    assert select.select([descriptor], [], [], _SECONDS)[0], f"process {pid} does not end"
                finally:
                    os.close(descriptor)


def members(group: int) -> Iterator[int]:
    """The processes of the group that still run."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = file.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                yield int(file.parent.name)
