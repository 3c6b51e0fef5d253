"""Every example does what its docstring says: each is run as a user would run it, and its trail is read."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from asgi_audit import AuditError, Outcome, Record
from asgi_audit.sqlalchemy import AuditStore

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))
ADA = {"Authorization": "Bearer token-of-ada"}
GRACE = {"Authorization": "Bearer token-of-grace"}


@contextlib.contextmanager
def running(directory: Path, *command: str, **environment: str) -> Iterator[str]:
    """Run a server in `directory`, which gets the database; gives its URL. It is stopped as an operator would."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=directory,
        env={**os.environ, "PORT": "0", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        said = ""
        while (found := re.search(r"running on (http://[\d.:]+)", said)) is None:
            line = process.stderr.readline()
            assert line, said
            said += line
        try:
            yield found[1]
        finally:
            process.terminate()
            process.stderr.read()


def example(name: str) -> str:
    """The path of an example."""
    return str(EXAMPLES / name)


def trail(directory: Path, count: int) -> list[Record]:
    """What `asgi-audit log audit.db` shows once so many records have been delivered, oldest first."""

    async def read() -> list[Record]:
        async with AuditStore(f"sqlite:///{directory}/audit.db") as store:
            return [record async for record in store.query(oldest_first=True) if record.kind in {"http", "event"}]

    found: list[Record] = []
    while len(found) < count:
        with contextlib.suppress(AuditError):  # the file, or the tables in it, are not there yet
            found = asyncio.run(read())
        time.sleep(0.05)  # nobody tells another process that something was stored
    return found


def line(record: Record) -> tuple[str | None, str, str | None, Outcome | None]:
    """Who did what to what, and how it ended."""
    actor = record.actor.id if record.actor else None
    target = f"{record.targets[0].type}:{record.targets[0].id}" if record.targets else None
    return actor, record.action, target, record.outcome


def test_raw_asgi(tmp_path: Path) -> None:
    """Without a framework, the application's own words are the action and the target."""
    with running(tmp_path, example("raw_asgi.py")) as url:
        httpx.put(f"{url}/notes/1", content=b"buy milk")
        assert httpx.get(f"{url}/notes/1").text == "buy milk"
        httpx.delete(f"{url}/notes/1")
        httpx.delete(f"{url}/notes/1")
        records = trail(tmp_path, 3)
    assert [line(record) for record in records] == [
        (None, "note.write", "note:1", "success"),
        (None, "note.delete", "note:1", "success"),
        (None, "DELETE", None, "failed"),
    ]


def test_custom_sink(tmp_path: Path) -> None:
    """The collector gets what SQLite gets."""
    collector = ["-m", "uvicorn", "custom_sink:collector", "--app-dir", str(EXAMPLES), "--port", "0"]
    with (
        running(tmp_path, *collector) as address,
        running(tmp_path, example("custom_sink.py"), COLLECTOR=f"{address}/records") as url,
    ):
        assert httpx.post(f"{url}/orders").status_code == 201
        (order,) = trail(tmp_path, 1)
        collected: set[str] = set()
        while order.id not in collected:
            collected = {record["id"] for record in httpx.get(f"{address}/records").json()}
    assert order.action == "POST /orders"


def test_custom_sink_without_its_collector(tmp_path: Path) -> None:
    """Nobody who orders waits for a collector that is not there, and SQLite has the record."""
    with running(tmp_path, example("custom_sink.py"), COLLECTOR="http://127.0.0.1:9/records") as url:
        assert httpx.post(f"{url}/orders").status_code == 201
        assert [record.action for record in trail(tmp_path, 1)] == ["POST /orders"]


def test_background_job(tmp_path: Path) -> None:
    """The script acts as the job, and prints what it has put on record."""
    command = [sys.executable, example("background_job.py")]
    printed = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert [line(record) for record in trail(tmp_path, 3)] == [
        ("nightly-import", "customer.import", "customer:17", "success"),
        ("nightly-import", "customer.import", "customer:18", "failed"),
        ("nightly-import", "customer.import", "customer:19", "success"),
    ]
    assert [line.split(" ", 1)[1] for line in printed.splitlines()] == [
        "customer.import 17: success",
        "customer.import 18: failed",
        "customer.import 19: success",
    ]


def test_verify_bundle(tmp_path: Path) -> None:
    """An exported log passes, and a proof. What was changed does not, and what is neither of them is not judged."""

    def audit(*arguments: str) -> str:
        command = [sys.executable, "-m", "asgi_audit", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    def verify(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, example("verify_bundle.py"), *arguments, "--key", "audit.key.pub"]
        done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout.partition("\n")[0]

    subprocess.run([sys.executable, example("background_job.py")], cwd=tmp_path, check=True, capture_output=True)
    audit("keygen", "--out", "audit.key", "--name", "audit.example/import")
    audit("seal", "audit.db", "--key", "audit.key", "--anchor", "anchor.jsonl")
    audit("export", "audit.db", "--out", "log.jsonl")
    assert verify("log.jsonl", "--anchor", "anchor.jsonl") == (0, "PASS")
    assert verify("log.jsonl") == (2, "UNANCHORED")
    (proved,) = [record for record in trail(tmp_path, 3) if record.outcome == "failed"]
    (tmp_path / "proof.json").write_text(audit("prove", "audit.db", proved.id), encoding="utf-8")
    assert verify("--proof", "proof.json") == (0, "PROVED")
    for name in ("log.jsonl", "proof.json"):
        content = (tmp_path / name).read_text(encoding="utf-8")
        assert "the name is missing" in content
        (tmp_path / name).write_text(content.replace("the name is missing", "the name is absent"), encoding="utf-8")
    assert verify("log.jsonl", "--anchor", "anchor.jsonl") == (1, "TAMPERED")
    assert verify("--proof", "proof.json") == (1, "NOT PROVED")
    assert verify("proof.json") == verify("another.jsonl") == (4, "NOT VERIFIED")


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_example_is_tested(name: str) -> None:
    """No example lies beside this file without a test that runs it."""
    assert f'example("{name}")' in Path(__file__).read_text(encoding="utf-8")
