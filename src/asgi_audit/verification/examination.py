"""One record: whether its text is what was sealed, and its columns are what the text says."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from asgi_audit.integrity import leaf
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.integrity.projection import OF_PARTS, PROJECTED, project, utc_text
from asgi_audit.integrity.report import Findings
from asgi_audit.record import APPLICATION_KINDS, Record
from asgi_audit.verification.evidence import Row, TooLarge

_SALT: Final = re.compile(r"[0-9a-f]{32}")
_TIME: Final = PROJECTED.index("time")
_LONGEST_ID: Final = 36
_LONGEST_WRITER: Final = 32
_LARGE: Final = 2**20  # bytes of a part
_MOST_SAID: Final = 100  # characters
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError)


class _SlimRequest(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    path: str
    id: str | None = None
    trace_id: str | None = None


class _SlimDetail(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    request: _SlimRequest | None = None


_decode_slim = msgspec.json.Decoder(_SlimDetail).decode


class Examined(NamedTuple):
    """What a row says, if it can be read.

    It is `authentic` if its core is what was sealed, or not sealed yet, and `sound` if nothing at all is wrong with it.
    """

    record: Record | None
    erased: tuple[str, ...]
    authentic: bool
    sound: bool


class Examiner:
    """Examines rows, and tells what is wrong with them.

    With a secret, every record must have its MAC, but for those sealed before index `mac_from`.
    """

    def __init__(self, findings: Findings, mac: MacKey | None, mac_from: int) -> None:
        self._findings = findings
        self._mac = mac
        self._mac_from = mac_from

    def examine(self, row: Row | TooLarge, index: int | None, hashed: object = None) -> Examined:
        """Hold a row against itself, and against its leaf if it has one."""
        if isinstance(row, TooLarge):
            what = f"a row of {row.bytes} bytes or more is no record"
            self._findings.add("malformed", what, index=index, record=_printable(row.id))
            return Examined(None, (), authentic=False, sound=False)
        before = self._findings.counts.total()
        taken = _Row(row, index, self._findings)
        core = taken.bytes("core")
        if core is None:
            taken.say("malformed", "the core is no text")
            return Examined(None, (), authentic=False, sound=False)
        authentic = hashed is None or leaf_hash(core) == hashed
        if not authentic:
            taken.say("core", "the core is not what was sealed")
        record, erased = self._read(taken, core)
        return Examined(record, erased, authentic, sound=self._findings.counts.total() == before)

    def _read(self, row: "_Row", core: bytes) -> tuple[Record | None, tuple[str, ...]]:
        try:
            commitments = leaf.commitments_in(core)
        except _UNREADABLE as error:
            row.say("malformed", f"the core is no record's: {type(error).__name__}")
            return None, ()
        texts = {name: self._part(row, name, getattr(commitments, name)) for name in leaf.PARTS}
        erased = tuple(name for name, text in texts.items() if text is None)
        detail = texts["detail"]
        large = detail is not None and len(detail) > _LARGE
        try:
            slim = detail if detail is None or not large else _slim(detail)
            record = leaf.assemble(core, texts["actor"], texts["target"], slim)
            wanted = project(record, erased)
            wanted[_TIME] = utc_text(record.time)
        except _UNREADABLE as error:
            row.say("malformed", f"a part is not one of a record: {type(error).__name__}")
            return None, ()
        if len(record.id) > _LONGEST_ID or len(record.writer or "") > _LONGEST_WRITER:
            row.say("malformed", "the core is no record's: its id or its writer is too long")
            return None, ()
        if large and record.kind not in APPLICATION_KINDS:
            row.say("malformed", "no record of the trail's own is so large")
            return None, ()
        self._compare(row, wanted)
        due = self._mac is not None and (row.index is None or row.index >= self._mac_from)
        if due and self._mac is not None and not self._mac.holds(record.writer or "", core):
            row.say("mac", "the record has no MAC of the secret's: a writer that does not know it has made it")
        return record, erased

    def _part(self, row: "_Row", name: str, commitment: str) -> bytes | None:
        text, salt = row.values.get(name), row.values.get(f"{name}_salt")
        if text is None and salt is None:
            return None
        stored = row.bytes(name)
        if stored is None or not isinstance(salt, str) or _SALT.fullmatch(salt) is None:
            row.say("part", f"the part {name} and its salt are not both there")
        elif leaf.commitment(name, bytes.fromhex(salt), stored) != commitment:
            row.say("part", f"the part {name} is not what the core commits to")
        return b"{}" if stored is None else stored

    def _compare(self, row: "_Row", wanted: list[Any]) -> None:
        values = row.values
        for name, want in zip(PROJECTED, wanted, strict=True):
            got = values.get(name)
            if got != want or type(got) is not type(want):
                where = next((part for part, names in OF_PARTS.items() if name in names), "core")
                row.say("column", f"the column {name} is not what the {where} says")


class _Row:
    """A row under examination."""

    def __init__(self, values: Mapping[str, Any], index: int | None, findings: Findings) -> None:
        self.values = values
        self.index = index
        self._findings = findings

    def bytes(self, name: str) -> bytes | None:
        """The stored bytes of a text; None if it is none."""
        value = self.values.get(name)
        try:
            return value.encode(errors="surrogateescape") if isinstance(value, str) else None
        except UnicodeEncodeError:  # surrogates that stand for no byte
            return None

    def say(self, kind: str, what: str) -> None:
        """Something is wrong with it. It is named by its columns, true or not, for by these it can be looked up."""
        names = {key: _printable(self.values.get(key)) for key in ("id", "writer")}
        self._findings.add(kind, what, index=self.index, record=names["id"], writer=names["writer"])


def _slim(detail: bytes) -> bytes:
    """What columns are made from. As Python objects, the rest could take up twenty times as much memory."""
    return msgspec.json.encode(_decode_slim(detail))


def _printable(value: object) -> str | None:
    """A name for a report, whatever somebody has put there."""
    return value[:_MOST_SAID].encode(errors="backslashreplace").decode() if isinstance(value, str) else None
