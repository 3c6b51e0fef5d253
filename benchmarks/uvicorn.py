"""uvicorn as a process of its own, and the load that wrk puts on it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from benchmarks.child import ROOT, environment

CONNECTIONS: Final = 16
_SCRIPT: Final = """
wrk.method = "POST"
wrk.body = "{}"
wrk.headers["content-type"] = "application/json"
wrk.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
done = function(summary, latency, requests)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), errors + summary.errors.status))
end
"""
_NO_WRK: Final = "the benchmarks of servers need wrk: apt-get install wrk, or brew install wrk"
_QUIET_SECONDS: Final = 0.3
_PATIENCE_SECONDS: Final = 60.0
_TICK: Final = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """Requests per second, microseconds that they took, and microseconds of CPU for each."""

    rate: float
    p50: float
    p99: float
    cpu: float


class Server:
    """A server, from entering it until leaving it. `answered` is how many requests it has answered.

    At the end of a load there may be one request on each connection that was received, and not answered in time:
    `unanswered` is how many that may be.
    """

    def __init__(self, app: str, sink: str, place: Path, workers: int) -> None:
        if shutil.which("wrk") is None:
            raise RuntimeError(_NO_WRK)
        self.sink = sink
        self.answered = self.unanswered = 0
        self._environment = {"BENCH_APP": app, "BENCH_SINK": sink, "BENCH_PLACE": str(place)}
        self._place = place
        self._workers = workers
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]

    def __enter__(self) -> Self:
        (self._place / "load.lua").write_text(_SCRIPT)
        self._log = (self._place / "log").open("wb")
        options = ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log"]
        where = ["--port", str(self._port), "--workers", str(self._workers)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "benchmarks.served:app", *where, *options],
            cwd=ROOT,
            env=environment(**self._environment),
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself, which whoever waited for it says
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/orders/7", b"{}", {"content-type": "application/json"}
        )
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=10):  # noqa: S310 - our own
                    self.answered += 1
                    return
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self._place / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def load(self, seconds: int) -> Load:
        """Put it under load for so long, and wait until it has nothing left to do."""
        before = self._cpu()
        command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s"]
        command += [
            "--timeout",
            f"{_PATIENCE_SECONDS:g}s",
            "--script",
            str(self._place / "load.lua"),
            f"http://127.0.0.1:{self._port}/orders/7",
        ]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"^RESULT (\d+) (\d+) (\S+) (\S+) (\d+)$", output, re.MULTILINE)
        assert found is not None, output
        requests, microseconds, p50, p99, errors = map(float, found.groups())
        assert errors == 0, output
        self.answered += int(requests)
        self.unanswered += CONNECTIONS
        after = self._settle()
        return Load(requests / microseconds * 1e6, p50, p99, (after - before) / requests * 1e6)

    def _settle(self) -> float:
        """The CPU seconds that it has used, once it uses none any more."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        used = self._cpu()
        while time.monotonic() < deadline:
            time.sleep(_QUIET_SECONDS)
            now = self._cpu()
            if now - used <= 1 / _TICK:
                return now
            used = now
        raise RuntimeError(f"a server is still at work {_PATIENCE_SECONDS:g} s after its load: {self._environment}")

    def _cpu(self) -> float:
        """Of all its processes."""
        return sum(map(_seconds, _family(self._process.pid)))


def _family(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in _family(int(child)))]


def _seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK
