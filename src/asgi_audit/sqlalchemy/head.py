"""Where a tree stands before a pass of the sealer, and whether it may go on from there."""

from collections.abc import Sequence
from typing import NamedTuple

from asgi_audit.errors import AuditError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import CompactRange
from asgi_audit.integrity.note import MalformedNote, Note, Signer
from asgi_audit.sqlalchemy.inquiry import Inquiry
from asgi_audit.sqlalchemy.origin import Origin
from asgi_audit.sqlalchemy.tree import Kept, Tree

_REMEDY = "; if a backup was restored: asgi-audit seal --restart --reason …"


class SealRefused(AuditError):  # noqa: N818 - named as what it is
    """Nothing was signed, because it would contradict what was signed before."""


class Head(NamedTuple):
    """The tree, of whose leaves the first `signed` are those of the newest checkpoint, `note`.

    Of our keys, `missing` have not signed it yet; `ours` says whether one has. Before the first checkpoint there is no
    origin.
    """

    origin: str | None
    note: str | None
    peaks: CompactRange
    signed: int
    ours: bool
    missing: bool

    def copy(self) -> "Head":
        """One whose tree grows on its own."""
        return self._replace(peaks=self.peaks.copy())


class HeadReader:
    """Reads the head of a database's tree, and holds it against what anchors know. Trusts nobody's word but our own."""

    def __init__(self, keys: Sequence[Signer]) -> None:
        self._keys = keys
        self._last: Head | None = None

    @property
    def log(self) -> str | None:
        """The name of the log, once there is one that we know."""
        return None if self._last is None or self._last.origin is None else Origin.parse(self._last.origin).log

    def remember(self, head: Head) -> None:
        """It agrees with all that we know. What comes next must continue it, and is not worked out from nothing."""
        if head.note is not None:
            self._last = head.copy()

    def forget(self) -> None:
        """The log is about to be begun anew."""
        self._last = None

    async def read(self, tree: Tree, kept: Kept | None) -> Head:
        """The newest checkpoint, and the leaves that nobody has signed yet. Raises `SealRefused` and `BrokenTree`."""
        last = self._last
        if kept is None:
            if last is not None:
                raise SealRefused(f"this sealer knows {last.signed} sealed records, the database has no log{_REMEDY}")
            head = Head(None, None, CompactRange(), 0, ours=False, missing=False)
        elif last is not None and last.note == kept.note:
            head = last.copy()
        else:
            head = await self._work_out(tree, kept)
        async for leaf in tree.hashes(head.peaks.size):
            head.peaks.append(leaf)
        return head

    async def agree(self, tree: Tree, head: Head, known: Inquiry) -> None:
        """Raise `SealRefused` unless the tree continues what the anchor knows."""
        if known.checkpoint is None or known.note == head.note:
            return
        origin, size, root = known.checkpoint
        if origin != head.origin:
            # Else the log was begun anew, and the anchor has not heard of it yet.
            if head.origin is None or not self._begun_anew(head.origin, origin, ours=head.ours):
                here = head.origin or "no log yet"
                raise SealRefused(f"{known.name} knows the log {origin}, the database has {here}{_REMEDY}")
        elif size > head.peaks.size:
            raise SealRefused(f"{known.name} knows {size} sealed records, the database has {head.peaks.size}{_REMEDY}")
        elif await self._root(tree, size) != root:
            raise SealRefused(f"{known.name} knows another tree of {size} records than the database has{_REMEDY}")

    def parse(self, kept: Kept) -> tuple[Checkpoint, set[bytes]]:
        """A checkpoint of the database, and the ids of those of our keys that have signed it. Raises `SealRefused`."""
        try:
            note = Note.parse(kept.note)
            return Checkpoint.parse(note.text), self._signers(note)
        except MalformedNote as error:
            raise SealRefused(f"the database's checkpoint of {kept.size} records is none: {error}") from None

    async def _work_out(self, tree: Tree, kept: Kept) -> Head:
        checkpoint, signers = self.parse(kept)
        ours = bool(signers)
        peaks = _peaks(kept) if ours else CompactRange()
        last = self._last
        if last is not None and not self._begun_anew(checkpoint.origin, last.origin, ours=ours):
            if checkpoint.origin != last.origin or kept.size < last.signed:
                raise SealRefused(
                    f"this sealer knows {last.signed} sealed records of the log {last.origin},"
                    f" the database has {kept.size} of {checkpoint.origin}{_REMEDY}"
                )
            if kept.size >= last.peaks.size:
                peaks = last.peaks.copy()
        # What we have not signed is somebody else's word for what the leaves come to.
        async for leaf in tree.hashes(peaks.size, kept.size):
            peaks.append(leaf)
        if (checkpoint.size, checkpoint.root) != (kept.size, peaks.root()):
            raise SealRefused(f"the leaves of the database are not those of its checkpoint of {kept.size} records")
        signers = signers.union(*[self.parse(each)[1] for each in await tree.at(kept.size)])
        return Head(checkpoint.origin, kept.note, peaks, kept.size, ours=ours, missing=len(signers) < len(self._keys))

    def _begun_anew(self, origin: str, before: str | None, *, ours: bool) -> bool:
        """Whether the log of that origin has become this one, and nobody else but us says so."""
        return before is not None and (ours or not self._keys) and Origin.parse(origin).follows(Origin.parse(before))

    async def _root(self, tree: Tree, size: int) -> bytes:
        """The root of the first leaves: as we have signed it, else as they are."""
        for kept in await tree.at(size):
            checkpoint, signers = self.parse(kept)
            if signers:
                return checkpoint.root
        return await tree.root_of(0, size)

    def _signers(self, note: Note) -> set[bytes]:
        """The ids of those of our keys that have signed it: a signature of Ed25519 can be made again."""
        found = set()
        for key in self._keys:
            for each in note.signatures:
                if (each.name, each.key_id) == (key.name, key.key_id):
                    if each.signature != key.sign(note.text.encode()):
                        raise SealRefused(f"the signature of {key.name} on a checkpoint of the database is forged")
                    found.add(key.key_id)
        return found


def _peaks(kept: Kept) -> CompactRange:
    try:
        return CompactRange.from_bytes(kept.size, kept.peaks)
    except ValueError as error:
        raise SealRefused(f"the peaks of the database's checkpoint of {kept.size} records are none: {error}") from None
