"""gunicorn with `--preload`: the application is loaded once and then forked into workers."""

import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.lives.processes import ENVIRONMENT
from tests.lives.stored import by_writer, in_sqlite

SERVED = """
import os, time
from asgi_audit import AuditMiddleware, AuditTrail, Delivery

trail = AuditTrail("sqlite:///x.db", delivery=Delivery(linger=60))
trail.event(f"loaded.{os.getpid()}")  # starts the master's thread, which no worker has

async def inner(scope, receive, send):
    assert scope["type"] == "http"
    trail.event(f"served.{os.getpid()}")
    time.sleep(0.05)  # keeps this worker's loop busy, so that the other one takes the next connection
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

app = AuditMiddleware(inner, trail)
"""


def test_workers_are_writers_of_their_own(tmp_path: Path) -> None:
    """What the master recorded is stored once, by it; each worker stores its own requests before it ends."""
    (tmp_path / "served.py").write_text(SERVED)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "gunicorn", "served:app", "--preload", "--workers", "2", "--no-control-socket"]
        command += ["--worker-class", "uvicorn_worker.UvicornWorker", "--bind", f"fd://{listening.fileno()}"]
        environment = {**ENVIRONMENT, "PYTHONWARNINGS": "default"}  # gunicorn's own are none of ours
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, pass_fds=[listening.fileno()], stderr=subprocess.PIPE, text=True
        )
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def ask(_: int) -> str:
            return httpx.post(address, timeout=30, trust_env=False).text

        with process, ThreadPoolExecutor(8) as pool:
            try:
                answers: list[str] = []
                while len(set(answers)) < 2:
                    answers += pool.map(ask, range(8))
            finally:
                process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    lives = by_writer(in_sqlite(tmp_path / "x.db")).values()
    # A worker does not leave through `atexit`: its lifespan has stored everything, and it says no goodbye.
    assert sorted(lives) == sorted(
        [
            ["trail.open", f"loaded.{process.pid}", "trail.close"],
            *(["trail.open", *[f"served.{pid}", "POST"] * answers.count(pid)] for pid in set(answers)),
        ]
    )
