"""A log in a file, to be verified without its database: lines of JSON, of which the first says how many rows there are.

The head     {"format": "asgi-audit/1 bundle", "name": …, "rows": …}
Checkpoints  {"checkpoint": note, "size": …, "time": …}, the smallest tree first
Leaves       {"idx": …, "record_id": …, "hash": hex, "row": {…} or null}, in their order
Unsealed     {"row": {…}}
The end      {"end": how many lines there were}
"""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from asgi_audit.errors import ConfigurationError
from asgi_audit.verification.evidence import Evidence, Leaf, Row, Stored, TooLarge, Unreadable

FORMAT: Final = "asgi-audit/1 bundle"
_LONGEST: Final = 2**25  # bytes of a line
_AUTHORITIES: Final = frozenset({"erase", "purge"})


class Bundle:
    """The evidence that a file holds; `async with` opens it."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self.name = str(path)
        self.size = 0

    async def __aenter__(self) -> Self:
        lines = self._lines()
        try:
            head = next(lines, {})
        except OSError as error:
            raise ConfigurationError("bundle", str(self._path), f"it can't be read: {error.strerror}") from None
        if head.get("format") != FORMAT:
            raise ConfigurationError("bundle", str(self._path), "this is no bundle; `asgi-audit export` makes one")
        self.name = str(head.get("name"))
        self.size = rows if isinstance(rows := head.get("rows"), int) else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open."""

    async def checkpoints(self) -> AsyncIterator[Stored]:
        """As `Evidence` has it."""
        for line in self._lines():
            if "checkpoint" in line:
                time = line.get("time")
                yield Stored(line.get("size"), line["checkpoint"], time if isinstance(time, int) else None)

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        for line in self._lines():
            row = _row(line)
            if isinstance(row, dict) and row.get("kind") in _AUTHORITIES:
                yield row

    async def leaves(self) -> AsyncIterator[Leaf]:
        """As `Evidence` has it."""
        for line in self._lines():
            if "idx" in line:
                yield Leaf(line["idx"], line.get("record_id"), _hash(line.get("hash")), _row(line))

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        for line in self._lines():
            if "row" in line and "idx" not in line and (row := _row(line)) is not None:
                yield row

    def _lines(self) -> Iterator[dict[str, Any]]:
        count = 0
        with self._path.open("rb") as file:
            while content := file.readline(_LONGEST):
                try:
                    line = json.loads(content)
                except (ValueError, RecursionError):
                    raise Unreadable(f"line {count + 1} of the bundle is no JSON, or too long") from None
                if not isinstance(line, dict):
                    raise Unreadable(f"line {count + 1} of the bundle is no object")
                if "end" in line and line["end"] == count:
                    return
                count += 1
                yield line
        raise Unreadable("the bundle is cut off: it does not end as it should")


async def write_bundle(evidence: Evidence, file: BinaryIO) -> int:
    """Write all the evidence; return how many leaves there were."""
    lines = leaves = 0

    def write(line: dict[str, Any]) -> None:
        nonlocal lines
        lines += 1
        text = json.dumps(line, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        file.write(text.encode() + b"\n")

    write({"format": FORMAT, "name": evidence.name, "rows": evidence.size})
    async for stored in evidence.checkpoints():
        write({"checkpoint": stored.note, "size": stored.size, "time": stored.time})
    async for leaf in evidence.leaves():
        leaves += 1
        hashed = leaf.hash.hex() if isinstance(leaf.hash, bytes) else None
        write({"idx": leaf.index, "record_id": leaf.record_id, "hash": hashed, "row": _whole(leaf.row)})
    async for row in evidence.unsealed():
        write({"row": _whole(row)})
    file.write(json.dumps({"end": lines}).encode() + b"\n")
    return leaves


def _whole(row: Row | TooLarge | None) -> Any:
    return {"too_large": row.bytes} if isinstance(row, TooLarge) else row


def _row(line: dict[str, Any]) -> Row | TooLarge | None:
    row = line.get("row")
    if not isinstance(row, dict):
        return None
    too_large = row.get("too_large")
    return TooLarge(too_large) if isinstance(too_large, int) else row


def _hash(text: object) -> object:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else text
    except ValueError:
        return text
