"""The verifier of `examples/verify_bundle.py`, which shares no line with the package, beside the package's own."""

import asyncio
import importlib.util
import json
import re
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import AuditError
from asgi_audit.integrity.report import Report
from asgi_audit.signing import VerifierKey
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.log import BEGINNING, Log, Writer, build

EXAMPLE = Path(__file__).parents[2] / "examples" / "verify_bundle.py"
_HOURS = timedelta(hours=2) // timedelta(microseconds=1)


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("verify_bundle", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = _load()

#: A bundle's, or an anchor's.
Lines = list[dict[str, Any]]


class Exported(NamedTuple):
    """A log in a file, and who knows what of it."""

    home: Path
    lines: Lines
    anchors: Lines
    keys: list[VerifierKey]

    @classmethod
    async def of(cls, log: Log, home: Path) -> "Exported":
        """What an auditor is given. What was sealed was so two hours ago, so that whatever is missing counts."""
        path = home / "exported.jsonl"
        with path.open("wb") as file:
            async with DatabaseEvidence(log.url) as evidence:
                await write_bundle(evidence, file)
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            if "checkpoint" in line:
                line["time"] -= _HOURS
        anchors = [json.loads(line) for line in log.anchor.read_text(encoding="utf-8").splitlines()]
        return cls(home, lines, anchors, list(log.pinned))

    async def verdicts(self) -> tuple[Report | None, str | None, list[Any]]:
        """What the package says, then what the example says; None from who refuses to say anything."""
        bundle, anchor = self.home / "log.jsonl", self.home / "anchor.jsonl"
        bundle.write_text(text := _text(self.lines), encoding="utf-8")
        anchor.write_text(_text(self.anchors), encoding="utf-8")
        try:
            report = await Verifier(keys=self.keys, anchors=[FileAnchor(anchor)]).verify(Bundle(bundle))
        except AuditError:
            report = None
        try:
            verdict, findings = example.verify(text, self.anchors, pinned(self.keys))
        except Exception:  # noqa: BLE001 - as the example's own last lines have it
            return report, None, []
        return report, verdict, findings

    async def assert_agreed(self, what: str = "") -> str | None:
        """Both come to one verdict, and name the same records, places and writers; the verdict."""
        report, verdict, findings = await self.verdicts()
        assert (None if report is None else str(report.verdict)) == verdict, what
        # Of a bundle that is cut off, the package also says all that follows from it.
        if report is not None and "table" not in report.finding_counts:
            assert named(report) == {(index, subject) for _, index, subject in findings}, what
        return verdict


def _text(lines: Lines) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def pinned(keys: list[VerifierKey]) -> dict[tuple[str, bytes], bytes]:
    """Keys as the example takes them."""
    return {(key.name, key.key_id): key.public for key in keys}


def named(report: Report) -> set[tuple[int | None, str | None]]:
    """The places and the records, or the writers, of whom something is said."""
    found: set[tuple[int | None, str | None]] = set()
    wrong = {each.record for each in report.findings if each.kind != "purge"}
    for each in report.findings:
        stretch = re.match(r"the records from index (\d+) to (\d+) were removed", each.what)
        if stretch is not None:
            found |= {(index, None) for index in range(int(stretch[1]), int(stretch[2]) + 1)}
        elif each.kind == "sequence":
            found.add((each.index, each.writer))
        elif each.kind != "purge" or each.record not in wrong:  # the example reads no ranges out of an unsound record
            found.add((each.index, each.record))
    return found


def make_exported(home: Path) -> Exported:
    """A small log with everything in it, and some records that are not sealed yet."""

    async def make() -> Exported:
        chance = Random(1)
        log = Log(f"sqlite:///{home}/audit.db", home)
        await build(log, chance, 100)
        late = Writer(chance)
        await log.write([late.record(BEGINNING) for _ in range(3)])
        return await Exported.of(log, home)

    return asyncio.run(make())
