"""The end of a program: what was recorded is stored, however the interpreter is left."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.lives.processes import ENVIRONMENT, run_script
from tests.lives.stored import by_writer, in_lines, in_sqlite


def test_importing_the_package_warns_of_nothing() -> None:
    """With warnings as errors it imports, and says nothing."""
    run = run_script("import asgi_audit, asgi_audit.testing, asgi_audit.sqlalchemy")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_short_script_leaves_its_records_in_order(tmp_path: Path) -> None:
    """`with` opens and closes: three records, numbered from 0."""
    script = """
        from asgi_audit import AuditTrail

        with AuditTrail("sqlite:///x.db") as trail:
            trail.event("x")
    """
    run = run_script(script, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert [(entry.seq, entry.kind, entry.action) for entry in in_sqlite(tmp_path / "x.db")] == [
        (0, "open", "trail.open"),
        (1, "event", "x"),
        (2, "close", "trail.close"),
    ]


EXITS = {
    "the end of the script": ("pass", 0),
    "sys.exit": ("sys.exit(3)", 3),
    "an exception": ("raise LookupError", 1),
    "Ctrl-C": ("signal.raise_signal(signal.SIGINT)", -signal.SIGINT),
    "an exception in a coroutine": ("asyncio.run(fail())", 1),
    "a thread that goes on": ("threading.Thread(target=lambda: trail.event('thread'), daemon=False).start()", 0),
}


@pytest.mark.parametrize("ending", EXITS)
def test_leaving_the_interpreter_drains_the_trail(ending: str, tmp_path: Path) -> None:
    """Nobody has closed the trail, and no batch was due: at exit SQLite and the file get all there is."""
    code, status = EXITS[ending]
    script = f"""
        import asyncio, signal, sys, threading
        from asgi_audit import AuditTrail, Delivery, JSONLinesSink

        trail = AuditTrail("sqlite:///x.db", JSONLinesSink("x.jsonl"), delivery=Delivery(linger=60))

        async def fail():
            trail.event("in.loop")
            raise LookupError

        for number in range(100):
            trail.event(str(number))
        {code}
    """
    run = run_script(script, tmp_path)
    assert run.returncode == status, run.stderr
    (actions,) = by_writer(in_sqlite(tmp_path / "x.db")).values()
    assert [action for action in actions if action.isdigit()] == [str(number) for number in range(100)]
    assert (actions[0], actions[-1]) == ("trail.open", "trail.close")
    assert by_writer(in_lines(tmp_path / "x.jsonl")) == by_writer(in_sqlite(tmp_path / "x.db"))


APPS = {
    "with a lifespan": """
        from starlette.applications import Starlette
        from starlette.responses import Response
        from starlette.routing import Route
        inner = Starlette(routes=[Route("/", lambda request: Response(), methods=["POST"])])
    """,
    "without one": """
        async def inner(scope, receive, send):
            if scope["type"] != "http":
                raise ValueError("only HTTP is spoken here")
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
    """,
}


@pytest.mark.parametrize("kind", APPS)
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_has_stored_all(kind: str, stop: signal.Signals, tmp_path: Path) -> None:
    """Uvicorn kills itself on SIGTERM, so that nothing runs at exit: the lifespan drains, the application's or ours."""
    trail = """
from asgi_audit import AuditMiddleware, AuditTrail, Delivery
app = AuditMiddleware(inner, AuditTrail("sqlite:///x.db", delivery=Delivery(linger=60)))
"""
    lines = [line.removeprefix(" " * 8) for line in APPS[kind].splitlines()]
    (tmp_path / "served.py").write_text("\n".join(lines) + trail)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "uvicorn", "served:app", "--fd", str(listening.fileno())]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, pass_fds=[listening.fileno()], stderr=subprocess.PIPE, text=True
        )
        with process, httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            try:
                assert [client.post("/").status_code for _ in range(20)] == [200] * 20
            finally:
                process.send_signal(stop)
            _, errors = process.communicate(timeout=30)
    assert process.returncode in {-stop, 0}, errors
    (actions,) = by_writer(in_sqlite(tmp_path / "x.db")).values()
    assert [action[:4] for action in actions if not action.startswith("trail.")] == ["POST"] * 20


def test_a_killed_process_may_leave_a_database_but_no_half_record(tmp_path: Path) -> None:
    """After `kill -9` what was delivered is there and whole; the journal in memory is gone, as `health()` says."""
    script = """
        import os, signal
        from asgi_audit import AuditTrail

        trail = AuditTrail("sqlite:///x.db", journal=None)
        trail.event("stored")
        trail.flush()
        assert any("in memory" in note for note in trail.health().notes)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert run_script(script, tmp_path).returncode == -signal.SIGKILL
    assert list(by_writer(in_sqlite(tmp_path / "x.db")).values()) == [["trail.open", "stored"]]
