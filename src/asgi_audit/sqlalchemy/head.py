"""Where a tree stands before a pass of the sealer, and whether it may go on from there."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from asgi_audit.errors import AuditError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import CompactRange
from asgi_audit.integrity.note import MalformedNote, Note, Signer
from asgi_audit.sqlalchemy.inquiry import Inquiry
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

    def remember(self, head: Head) -> None:
        """We have just left it so; the next time it need not be worked out again."""
        self._last = head.copy()

    async def read(self, tree: Tree, kept: Kept | None) -> Head:
        """The newest checkpoint, and the leaves that nobody has signed yet. Raises `SealRefused` and `BrokenTree`."""
        if kept is None:
            head = Head(None, None, CompactRange(), 0, ours=False, missing=False)
        elif self._last is not None and self._last.note == kept.note:
            head = self._last.copy()
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
            if not head.ours:  # else it was us who have begun anew, and the anchor has not heard of it yet
                here = head.origin or "no log yet"
                raise SealRefused(f"{known.name} knows the log {origin}, the database has {here}{_REMEDY}")
            return
        if size > head.peaks.size:
            raise SealRefused(f"{known.name} knows {size} sealed records, the database has {head.peaks.size}{_REMEDY}")
        if await self._root(tree, size) != root:
            raise SealRefused(f"{known.name} knows another tree of {size} records than the database has{_REMEDY}")

    async def _work_out(self, tree: Tree, kept: Kept) -> Head:
        try:
            note = Note.parse(kept.note)
            checkpoint = Checkpoint.parse(note.text)
            ours = self._signers(note)
            peaks = CompactRange.from_bytes(kept.size, kept.peaks) if ours else CompactRange()
        except (MalformedNote, ValueError, TypeError, AttributeError) as error:
            raise SealRefused(f"the newest checkpoint of the database is none: {error}") from None
        if not ours:  # somebody else's word for what the leaves come to
            async for leaf in tree.hashes(0, kept.size):
                peaks.append(leaf)
        if (checkpoint.size, checkpoint.root) != (kept.size, peaks.root()):
            raise SealRefused(f"the leaves of the database are not those of its checkpoint of {kept.size} records")
        signed = set().union(*[self._signers(Note.parse(each.note)) for each in await tree.at(kept.size)])
        return Head(checkpoint.origin, kept.note, peaks, kept.size, bool(ours), len(signed) < len(self._keys))

    async def _root(self, tree: Tree, size: int) -> bytes:
        """The root of the first leaves: as we have signed it, else as they are."""
        for kept in await tree.at(size):
            with suppress(MalformedNote):
                note = Note.parse(kept.note)
                if self._signers(note):
                    return Checkpoint.parse(note.text).root
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
