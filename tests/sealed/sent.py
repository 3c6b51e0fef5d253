"""A bundle that somebody has sent us, and what is made of it."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Report
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import Bundle, Verifier, write_bundle
from tests.sealed.apart import MOST_SECONDS, verify_apart
from tests.sealed.log import Log, build

Line: TypeAlias = dict[str, Any]


class Sent:
    """A bundle of an honest log, and who could verify it."""

    def __init__(self, home: Path) -> None:
        self.log = Log(f"sqlite:///{home}/audit.db", home, mac=bytes(32))
        self.file = home / "bundle.jsonl"
        asyncio.run(self._export())
        self.content = self.file.read_bytes()
        self.lines: list[Line] = [json.loads(line) for line in self.content.splitlines()]
        self.verifier = Verifier(keys=self.log.pinned, anchors=[FileAnchor(self.log.anchor)], mac=self.log.mac)

    async def _export(self) -> None:
        await build(self.log, random.Random(1), 100)
        with self.file.open("wb") as file:
            async with DatabaseEvidence(self.log.url) as evidence:
                await write_bundle(evidence, file)

    def verify(self, content: bytes) -> Report:
        """What is said of it if it has that content."""
        self.file.write_bytes(content)
        report = asyncio.run(self.verifier.verify(Bundle(self.file)))
        msgspec.json.encode(report)
        return report

    def apart(self, content: bytes) -> Report | str:
        """The same within the limits; what was raised, if it was."""
        self.file.write_bytes(content)
        answer = verify_apart(self.log, str(self.file))
        assert answer.seconds < MOST_SECONDS
        return answer.report or answer.error or ""

    def of_kind(self, key: str) -> int:
        """The number of a line in the middle of those that have the key."""
        found = [
            number for number, line in enumerate(self.lines) if key in line and (key == "idx" or "idx" not in line)
        ]
        return found[len(found) // 2]

    def but(self, number: int, line: bytes) -> bytes:
        """The content with another line there."""
        lines = self.content.splitlines(keepends=True)
        return b"".join([*lines[:number], line + b"\n", *lines[number + 1 :]])

    def with_value(self, keys: tuple[str, ...], value: bytes) -> bytes:
        """The content with that JSON in the place of a value, of a leaf in the middle, or of a checkpoint."""
        number = self.of_kind("checkpoint" if keys[0] in {"checkpoint", "size", "signers", "peaks"} else "idx")
        line = json.loads(json.dumps(self.lines[number]))
        holder = line
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = "THERE"
        return self.but(number, json.dumps(line).encode().replace(b'"THERE"', value))
