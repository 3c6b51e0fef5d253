"""The proof of one record, for somebody who has neither the database nor this package: a file of JSON, and a key.

It holds the record's core and those of its parts that are to be shown, the record's place in the tree, the hashes
beside the way from there to the root (RFC 9162, section 2.1.3), and a signed checkpoint with that root. What a part
says can be left out: the core still commits to it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

import msgspec

from asgi_audit.errors import AuditError
from asgi_audit.integrity import leaf
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import leaf_hash, root_by_inclusion
from asgi_audit.integrity.note import BadSignature, MalformedNote, Note, Verifier, verified
from asgi_audit.record import Record

FORMAT: Final = "asgi-audit/1 proof"
_BROKEN: Final = (msgspec.MsgspecError, ValueError, TypeError, RecursionError, OverflowError)
_SALT: Final = re.compile(r"[0-9a-f]{32}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 2**24  # bytes of a file
_MOST_HASHES: Final = 2**13  # bytes, with room for 63 of them


class ProofFailed(AuditError):  # noqa: N818 - named as what it is
    """The proof does not hold, for the reason in its message."""


class ShownPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it was stored, and its salt in hex digits."""

    salt: str
    text: str

    def commitment(self, name: str) -> str | None:
        """What a record commits to if its part of that name is this; None if it has no salt of ours."""
        if _SALT.fullmatch(self.salt) is None:
            return None
        return leaf.commitment(name, bytes.fromhex(self.salt), self.text.encode())


class _ShownParts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    actor: ShownPart | None = None
    detail: ShownPart | None = None
    target: ShownPart | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As it comes from a stranger: what could be long is looked at before it is decoded."""

    checkpoint: str
    core: str
    format: str
    hashes: msgspec.Raw
    index: int
    parts: _ShownParts


class Checked(NamedTuple):
    """What a proof has proved: the record, as far as it is shown, and the checkpoint that has it."""

    record: Record
    hidden: list[str]
    checkpoint: Checkpoint
    signed_by: list[str]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The file. Hashes are in hex digits, from the leaf up."""

    checkpoint: str
    core: str
    format: str
    hashes: list[str]
    index: int
    parts: dict[str, ShownPart]

    @classmethod
    def of(
        cls, index: int, row: Mapping[str, str | None], hashes: Sequence[bytes], checkpoint: str, shown: Sequence[str]
    ) -> Self:
        """The proof of a stored row, which shows these parts, unless they are erased."""
        parts = {}
        for name in shown:
            text, salt = row[name], row[f"{name}_salt"]
            if text is not None and salt is not None:
                parts[name] = ShownPart(salt=salt, text=text)
        return cls(
            checkpoint=checkpoint,
            core=row["core"] or "",
            format=FORMAT,
            hashes=[each.hex() for each in hashes],
            index=index,
            parts=parts,
        )

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file; raises `ProofFailed`."""
        if len(content) > _LARGEST:
            raise ProofFailed(f"this is no proof: it has more than {_LARGEST} bytes")
        try:
            file = msgspec.json.decode(content, type=_File)
            if len(memoryview(file.hashes)) > _MOST_HASHES:
                raise ProofFailed("this is no proof: it has more hashes than any")
            hashes = msgspec.json.decode(file.hashes, type=list[str])
        except _BROKEN as error:
            raise ProofFailed(f"this is no proof: {error}") from None
        if file.format != FORMAT:
            raise ProofFailed(f"this proof has the format {file.format!r:.60}, not {FORMAT!r}")
        shown = msgspec.structs.asdict(file.parts)
        parts = {name: part for name, part in shown.items() if part is not None}
        return cls(
            checkpoint=file.checkpoint, core=file.core, format=FORMAT, hashes=hashes, index=file.index, parts=parts
        )

    def encode(self) -> bytes:
        """The file's content, for people to look at too."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"

    def check(self, keys: Sequence[Verifier]) -> Checked:
        """What it proves to whoever trusts one of the keys; raises `ProofFailed`."""
        try:
            note = Note.parse(self.checkpoint)
            checkpoint = Checkpoint.parse(note.text)
            signed_by = verified(note, keys)
        except (MalformedNote, BadSignature) as error:
            raise ProofFailed(f"the checkpoint: {error}") from None
        if not signed_by:
            raise ProofFailed("the checkpoint is signed by none of the given keys")
        core = self.core.encode()
        try:
            if not all(map(_HASH.fullmatch, self.hashes)):
                raise ProofFailed("the hashes: one of them is none")
            hashes = [bytes.fromhex(each) for each in self.hashes]
            root = root_by_inclusion(self.index, checkpoint.size, leaf_hash(core), hashes)
        except ValueError as error:
            raise ProofFailed(f"the hashes: {error}") from None
        if root != checkpoint.root:
            raise ProofFailed("the record is not at that place in the tree of the checkpoint")
        return Checked(
            self._record(core),
            [name for name in leaf.PARTS if name not in self.parts],
            checkpoint,
            [key.name for key in signed_by],
        )

    def _record(self, core: bytes) -> Record:
        try:
            commitments = leaf.commitments_in(core)
            for name, part in self.parts.items():
                if name not in leaf.PARTS or part.commitment(name) != getattr(commitments, name):
                    raise ProofFailed(f"the part {name!r:.20} is not what the record commits to")
            texts = [self.parts[name].text if name in self.parts else None for name in leaf.PARTS]
            return leaf.assemble(core, *texts)
        except _BROKEN as error:
            raise ProofFailed(f"the record can't be read: {type(error).__name__}") from None
