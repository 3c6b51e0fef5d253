"""The Merkle tree of RFC 9162, section 2.1, over SHA-256: its arithmetic, for leaves that are kept elsewhere.

A tree of one leaf is that leaf. A larger one is a node over two trees: as many leaves as the largest power of two that
leaves something over, and what is left over. The root of a stretch of leaves is the root of the tree of those alone.

Rule 1: leaves and nodes are hashed under different prefixes, so that no node passes for a leaf.
Rule 2: every hash that comes from outside has 32 bytes. Of two neighbours, one a byte longer and the other a byte
shorter, the node could be the same.
Rule 3: a root says nothing about its size. A proof of the first leaf of eight holds for the first of five as well, if
one believes that the root is that of five; whoever checks a proof takes root and size from one signed checkpoint.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The leaf that stands for an entry."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The root over two trees, from their roots."""
    return sha256(b"\x01" + left + right).digest()


class CompactRange:
    """What is needed of a tree of `size` leaves to let it grow: the roots of its perfect subtrees, the largest first.

    There is one for each bit that is set in the size. Raises ValueError if there is another number of hashes, or one
    that is not of 32 bytes.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or size.bit_count() != len(hashes):
            raise ValueError(f"{len(hashes)} hashes are not what a tree of {size} leaves is made of")
        _check(hashes)
        self.size = size
        self._hashes = list(hashes)

    @classmethod
    def from_bytes(cls, size: int, content: bytes) -> Self:
        """The range that `to_bytes` wrote, given its size; raises ValueError as the constructor does."""
        return cls(size, [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)])

    def to_bytes(self) -> bytes:
        """The hashes, one after the other."""
        return b"".join(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given its hash; raises ValueError if that is not of 32 bytes."""
        if len(leaf) != HASH_BYTES:
            raise ValueError(f"a hash has {HASH_BYTES} bytes, not {len(leaf)}")
        # As a counter carries: two perfect trees of one size become one of twice the size.
        hashes = self._hashes
        carry = self.size
        while carry & 1:
            leaf = node_hash(hashes.pop(), leaf)
            carry >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._hashes:
            return EMPTY_ROOT
        *larger, root = self._hashes
        for left in reversed(larger):
            root = node_hash(left, root)
        return root

    def copy(self) -> Self:
        """A range that grows on its own."""
        return type(self)(self.size, self._hashes)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The stretches of leaves [first, last) whose roots, in this order, are the inclusion proof (RFC 9162, 2.1.3.1).

    Raises ValueError if the tree has no leaf of that index.
    """
    _check_index(index, size)
    return _beside(index, index + 1, size)


def consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    """The stretches of leaves whose roots, in this order, are the consistency proof (RFC 9162, 2.1.4.1).

    There are none if the sizes are equal. Raises ValueError unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves has no proof that it began as one of {old}")
    if old == new:
        return []
    # The proof is the way up from the last perfect subtree of the old tree, and begins with its root; but if that is
    # all of the old tree, whoever checks the proof has it.
    first = old - (old & -old)
    above = _beside(first, old, new)
    return [(first, old), *above] if first else above


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2): the proof holds if this is the tree's.

    Raises ValueError if the tree has no leaf of that index, or if this cannot be a proof for it: too short or long, or
    with a hash that is not of 32 bytes.
    """
    _check_index(index, size)
    lefts = _lefts(index, size, len(proof))
    _check((leaf, *proof))
    root = leaf
    for is_left, beside in zip(lefts, proof, strict=True):
        root = node_hash(beside, root) if is_left else node_hash(root, beside)
    return root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows the first tree to be the beginning of the second (RFC 9162, 2.1.4.2).

    False also for what cannot be a proof, so all arguments may come from a stranger. The empty tree, which is the
    beginning of any, has no proof.
    """
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root and len(old_root) == HASH_BYTES
    # The last perfect subtree of the old tree is a leaf of the tree that begins at its height.
    height = (old & -old).bit_length() - 1
    index = (old - 1) >> height
    above = proof if index == 0 else proof[1:]
    try:
        lefts = _lefts(index, ((new - 1) >> height) + 1, len(above))
        _check((old_root, new_root, *proof))
    except ValueError:
        return False
    older = newer = old_root if index == 0 else proof[0]
    for is_left, beside in zip(lefts, above, strict=True):
        # What stands on the right has come since.
        if is_left:
            older = node_hash(beside, older)
            newer = node_hash(beside, newer)
        else:
            newer = node_hash(newer, beside)
    return older == old_root and newer == new_root


def _beside(first: int, last: int, size: int) -> list[tuple[int, int]]:
    """The stretches that stand beside the way from the subtree [first, last) up to the root."""
    stretches = []
    low, high = 0, size
    while (low, high) != (first, last):
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if last <= middle:
            stretches.append((middle, high))
            high = middle
        else:
            stretches.append((low, middle))
            low = middle
    stretches.reverse()
    return stretches


def _lefts(index: int, size: int, length: int) -> list[bool]:
    """Whether each hash of an inclusion proof stands on the left, from the leaf up; ValueError unless `length` do.

    Below the node where the ways to this leaf and to the last one part, the bits of the index tell the side. Above it
    both run along the right edge of the tree, past one perfect subtree on the left for each bit that is set.
    """
    inner = (index ^ (size - 1)).bit_length()
    edge = (index >> inner).bit_count()
    if length != inner + edge:
        raise ValueError(f"the proof should have {inner + edge} hashes, not {length}")
    return [bool(index >> height & 1) for height in range(inner)] + [True] * edge


def _check_index(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")


def _check(hashes: Iterable[bytes]) -> None:
    for one in hashes:
        if len(one) != HASH_BYTES:
            raise ValueError(f"a hash has {HASH_BYTES} bytes, not {len(one)}")
