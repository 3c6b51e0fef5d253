"""A verifier in a process of its own, for evidence that may be after its memory or its time; a proof is one, too."""

import asyncio
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import AuditError
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.proof import Proof
from asgi_audit.integrity.report import Report
from asgi_audit.signing import VerifierKey
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import Bundle, Verifier
from tests.sealed.log import Log

PROOF: Final = ".proof"
MOST_SECONDS: Final = 60
MOST_MEBIBYTES: Final = 200
_ROOT: Final = Path(__file__).parents[2]


class Task(msgspec.Struct):
    """What to verify, a database's URL or the path of a bundle or a proof, and what is known from elsewhere."""

    source: str
    anchor: str | None
    keys: list[str]
    secret: str | None


class Answer(msgspec.Struct):
    """A report, or else what was raised; and what it has cost."""

    report: Report | None
    error: str | None
    mebibytes: float
    seconds: float


def verify_apart(log: Log, source: str | None = None, *, secret: bytes | None = None) -> Answer:
    """What a verifier says of the log's database, or of a file, within the limits; of a proof that holds, nothing."""
    task = Task(
        source or log.url,
        str(log.anchor) if log.anchor.exists() else None,
        [key.encode() for key in log.pinned],
        None if secret is None else secret.hex(),
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", __name__],
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        input=msgspec.json.encode(task),
        stdout=subprocess.PIPE,
        timeout=2 * MOST_SECONDS,
        check=True,
    )
    answer = msgspec.json.decode(done.stdout, type=Answer)
    assert answer.mebibytes < MOST_MEBIBYTES
    return answer


def peak() -> float:
    """The most memory that this process has had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of a child, its parent may have had before
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


async def _verify(task: Task) -> Report | None:
    keys = [VerifierKey.parse(key) for key in task.keys]
    if task.source.endswith(PROOF):
        Proof.parse(Path(task.source).read_bytes()).check(keys)
        return None
    verifier = Verifier(
        keys=keys,
        anchors=[] if task.anchor is None else [FileAnchor(task.anchor)],
        mac=None if task.secret is None else MacKey(bytes.fromhex(task.secret)),
    )
    async with asyncio.timeout(MOST_SECONDS):
        if "://" in task.source:
            return await verifier.verify(DatabaseEvidence(task.source))
        return await verifier.verify(Bundle(task.source))


def _main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    report, error = None, None
    begin = time.monotonic()
    try:
        report = asyncio.run(_verify(task))
    except AuditError as raised:
        error = f"{type(raised).__name__}: {raised}"
    answer = Answer(report, error, peak(), time.monotonic() - begin)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    _main()
