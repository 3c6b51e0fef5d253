"""A log in a file, to be verified without its database: lines of JSON, of which the first says how many rows there are.

The head     {"format": "asgi-audit/1 bundle", "name": …, "rows": …}
Checkpoints  {"checkpoint": note, "size": …, "signers": …, "peaks": hex, "time": …}, the smallest tree first
Leaves       {"idx": …, "record_id": …, "hash": hex, "row": {…} or null}, in their order
Unsealed     {"row": {…}}
The end      {"end": how many lines there were}

Who writes such a file for us may want us to run out of memory, for which a line of small values would do: they take up
twenty times as much as their text. So no more of a line is decoded than what has a name here, each when it is needed.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

import msgspec

from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.projection import PROJECTED
from asgi_audit.verification.evidence import LARGEST, Evidence, Leaf, Row, Stored, TooLarge, Unreadable

FORMAT: Final = "asgi-audit/1 bundle"
_LONGEST: Final = 3 * LARGEST + 2**16  # bytes of a line: what is no ASCII is escaped, and grows to three times its size
_LONG: Final = 2**21  # bytes, beyond which a text that is none is not read either
# What stands for a byte that is no text: half of a pair, neither behind its other half nor behind half a backslash.
_NO_TEXT: Final = re.compile(rb"(?<!\\ud[89ab][0-9a-f][0-9a-f])(?<!\\)((?:\\\\)*)\\udc([89a-f][0-9a-f])")
_LONGEST_NAME: Final = 1000
_AUTHORITIES: Final = ("erase", "purge")
_COLUMNS: Final = (*PROJECTED, "core", *PARTS, *(f"{part}_salt" for part in PARTS))
_BROKEN: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_LARGEST: Final = 2**63
_STRANGE: Final = b"?"  # what no column holds
_NOTHING: Final = msgspec.Raw()


class _Line(msgspec.Struct, gc=False):
    checkpoint: msgspec.Raw = _NOTHING
    end: msgspec.Raw = _NOTHING
    format: msgspec.Raw = _NOTHING
    hash: msgspec.Raw = _NOTHING
    idx: msgspec.Raw = _NOTHING
    name: msgspec.Raw = _NOTHING
    peaks: msgspec.Raw = _NOTHING
    record_id: msgspec.Raw = _NOTHING
    row: msgspec.Raw = _NOTHING
    rows: msgspec.Raw = _NOTHING
    signers: msgspec.Raw = _NOTHING
    size: msgspec.Raw = _NOTHING
    time: msgspec.Raw = _NOTHING


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_row = msgspec.json.Decoder(
    msgspec.defstruct("_Row", [(name, msgspec.Raw, _NOTHING) for name in (*_COLUMNS, "too_large")], gc=False)
).decode


class Bundle:
    """The evidence that a file holds; `async with` opens it."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self.name = str(path)
        self.size = 0

    async def __aenter__(self) -> Self:
        try:
            head = next(self._lines(), _Line())
        except OSError as error:
            raise ConfigurationError("bundle", str(self._path), f"it can't be read: {error.strerror}") from None
        name, rows = _value(head.name), _value(head.rows)
        if _value(head.format) != FORMAT or not _is_name(name):
            raise ConfigurationError("bundle", str(self._path), "this is no bundle; `asgi-audit export` makes one")
        self.name = name
        self.size = rows if type(rows) is int and rows > 0 else 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing stays open."""

    async def checkpoints(self) -> AsyncIterator[Stored]:
        """As `Evidence` has it."""
        for line in self._lines():
            if line.checkpoint:
                time = _value(line.time)
                yield Stored(
                    _value(line.size),
                    _value(line.signers),
                    _value(line.checkpoint),
                    _bytes(_value(line.peaks)),
                    time if type(time) is int else None,
                )

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        for line in self._lines():
            row = _row(line.row)
            if isinstance(row, dict) and row["kind"] in _AUTHORITIES:
                yield row

    async def leaves(self) -> AsyncIterator[Leaf]:
        """As `Evidence` has it."""
        for line in self._lines():
            if line.idx:
                yield Leaf(_value(line.idx), _value(line.record_id), _bytes(_value(line.hash)), _row(line.row))

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        """As `Evidence` has it."""
        for line in self._lines():
            if not line.idx and (row := _row(line.row)) is not None:
                yield row

    def _lines(self) -> Iterator[_Line]:
        count = 0
        with self._path.open("rb") as file:
            while content := file.readline(_LONGEST):
                try:
                    line = _decode(content)
                except _BROKEN:
                    raise Unreadable(f"line {count + 1} of the bundle is not one of a bundle, or too long") from None
                if line.end and _value(line.end) == count:
                    if file.read(1):
                        raise Unreadable("the bundle goes on behind its end")
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
        try:
            text = _encode(line)
        except ValueError:  # SQLite knows numbers that JSON does not
            text = _encode(_finite(line))
        file.write(text.encode() + b"\n")

    write({"format": FORMAT, "name": evidence.name, "rows": evidence.size})
    async for stored in evidence.checkpoints():
        kept = {"size": stored.size, "signers": stored.signers, "peaks": _hex(stored.peaks), "time": stored.time}
        write({"checkpoint": stored.note, **kept})
    async for leaf in evidence.leaves():
        leaves += 1
        place = {"idx": leaf.index, "record_id": leaf.record_id, "hash": _hex(leaf.hash)}
        write({**place, "row": _whole(leaf.row)})
    async for row in evidence.unsealed():
        write({"row": _whole(row)})
    file.write(json.dumps({"end": lines}).encode() + b"\n")
    return leaves


def _whole(row: Row | TooLarge | None) -> Any:
    return {"too_large": row.bytes, "id": row.id} if isinstance(row, TooLarge) else row


def _hex(stored: object) -> object:
    return stored.hex() if isinstance(stored, bytes) else None


def _of_no_column(value: object) -> Any:
    """What SQLite lets somebody put into any column; the kind is enough to say so."""
    return {"type": type(value).__name__}


_encode = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"), default=_of_no_column).encode


def _finite(value: Any) -> Any:
    """The same without numbers that are none, or without end."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return value if not isinstance(value, float) or isfinite(value) else _of_no_column(value)


def _value(raw: msgspec.Raw) -> Any:
    """A text, a number of 64 bits, a truth, or nothing."""
    if not raw:
        return None
    if bytes(memoryview(raw)[:1]) in b"[{":
        return _STRANGE
    try:
        value = msgspec.json.decode(raw)
    except UnicodeDecodeError:
        return _with_surrogates(bytes(memoryview(raw)))
    except _BROKEN:
        return _STRANGE
    return _STRANGE if type(value) is int and not -_LARGEST <= value < _LARGEST else value


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_NAME and value.encode(errors="ignore").decode() == value


def _decode(content: bytes) -> _Line:
    try:
        return _decode_line(content)
    except msgspec.DecodeError:
        if len(content) > _LONG:
            raise
        return _decode_line(_NO_TEXT.sub(lambda found: found[1] + bytes.fromhex(found[2].decode()), content))


def _with_surrogates(raw: bytes) -> Any:
    """A text that is none, as a database that is hostile gives it."""
    try:
        return json.loads(raw.decode(errors="surrogateescape")) if len(raw) <= _LONG else _STRANGE
    except ValueError:
        return _STRANGE


def _row(raw: msgspec.Raw) -> Row | TooLarge | None:
    if not raw or bytes(memoryview(raw)[:4]) == b"null":
        return None
    try:
        found: Any = _decode_row(raw)
    except _BROKEN:
        return dict.fromkeys(_COLUMNS, _STRANGE)
    row = {name: _value(getattr(found, name)) for name in _COLUMNS}
    too_large = _value(found.too_large)
    if type(too_large) is not int and len(memoryview(raw)) > LARGEST:
        too_large = sum(len(value.encode()) for value in row.values() if isinstance(value, str))
    return TooLarge(too_large, row["id"]) if type(too_large) is int and too_large > LARGEST else row


def _bytes(text: object) -> object:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else text
    except ValueError:
        return text
