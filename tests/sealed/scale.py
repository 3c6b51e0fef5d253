"""One piece of work on a log, in a process of its own, which says what it has cost."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Verdict
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import DatabaseEvidence, Sealer
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.apart import peak

_ROOT: Final = Path(__file__).parents[2]


class Cost(msgspec.Struct):
    """How many records it was, and how long it took, the start of the process not included."""

    records: int
    seconds: float
    mebibytes: float

    def __str__(self) -> str:
        return f"{self.records / self.seconds:,.0f} records/s, {self.mebibytes:.0f} MiB"


def work(verb: str, url: str, home: Path) -> Cost:
    """Do it: `seal`, `verify`, `export` to a bundle, or `import`, which verifies that."""
    command = [sys.executable, "-W", "error", "-m", __name__, verb, url, str(home)]
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    done = subprocess.run(command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Cost)


async def _work(verb: str, url: str, home: Path) -> int:
    anchor, bundle = FileAnchor(home / "anchor"), home / "bundle"
    if verb == "seal":
        return (await Sealer(url, keys=[SigningKey.load(home / "key")], anchors=[anchor]).seal()).records
    if verb == "export":
        with bundle.open("wb") as file:
            async with DatabaseEvidence(url) as evidence:
                return await write_bundle(evidence, file)
    verifier = Verifier(keys=[SigningKey.load(home / "key").verifier], anchors=[anchor])
    report = await verifier.verify(DatabaseEvidence(url) if verb == "verify" else Bundle(bundle))
    assert report.verdict is Verdict.PASS
    return report.sealed


def _main(verb: str, url: str, home: str) -> None:
    begin = time.monotonic()
    records = asyncio.run(_work(verb, url, Path(home)))
    sys.stdout.buffer.write(msgspec.json.encode(Cost(records, time.monotonic() - begin, peak())))


if __name__ == "__main__":
    _main(*sys.argv[1:])
