"""The tree: what the RFC defines is what grows leaf by leaf, and a proof holds for that alone which it was made for."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.integrity.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    CompactRange,
    consistency_ranges,
    consistent,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_by_inclusion,
)

# The vectors that the implementations of Certificate Transparency share.
_PUBLISHED_ENTRIES = [
    bytes.fromhex(digits)
    for digits in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
_PUBLISHED_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# The root of each stretch of these leaves that a published proof names.
_PUBLISHED_HASHES = {
    (0, 1): "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    (1, 2): "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    (4, 5): "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    (6, 7): "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
    (0, 2): "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    (2, 4): "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    (4, 6): "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    (6, 8): "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    (0, 4): "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    (4, 8): "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
}

_MOST = 70
_LEAVES = [leaf_hash(b"entry %d" % number) for number in range(_MOST)]
_OTHER = leaf_hash(b"another")
_HUGE = (2**63 - 1, 2**63, 2**64, 2**70 - 1, 2**70, 2**70 + 2**35, 2**10_000, 2**10_000 + 1)


# The definitions of RFC 9162, 2.1.1, 2.1.3.1 and 2.1.4.1, word for word, but that D is a list of leaf hashes.
def _split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def _mth(d: Sequence[bytes]) -> bytes:
    if not d:
        return sha256().digest()
    if len(d) == 1:
        return d[0]
    k = _split(len(d))
    return sha256(b"\x01" + _mth(d[:k]) + _mth(d[k:])).digest()


def _path(m: int, d: Sequence[bytes]) -> list[bytes]:
    if len(d) == 1:
        return []
    k = _split(len(d))
    if m < k:
        return [*_path(m, d[:k]), _mth(d[k:])]
    return [*_path(m - k, d[k:]), _mth(d[:k])]


def _subproof(m: int, d: Sequence[bytes], b: bool) -> list[bytes]:
    if m == len(d):
        return [] if b else [_mth(d)]
    k = _split(len(d))
    if m <= k:
        return [*_subproof(m, d[:k], b), _mth(d[k:])]
    return [*_subproof(m - k, d[k:], False), _mth(d[:k])]


def _sides(m: int, n: int) -> str:
    """The way down to leaf `m` of `n`."""
    if n == 1:
        return ""
    k = _split(n)
    return "l" + _sides(m, k) if m < k else "r" + _sides(m - k, n - k)


def _grown(leaves: Sequence[bytes]) -> CompactRange:
    grown = CompactRange()
    for leaf in leaves:
        grown.append(leaf)
    return grown


def _roots(ranges: list[tuple[int, int]], leaves: Sequence[bytes] = _LEAVES) -> list[bytes]:
    """What a caller makes of the ranges."""
    return [_grown(leaves[first:last]).root() for first, last in ranges]


def _leads(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    try:
        return root_by_inclusion(index, size, leaf, proof) == root
    except ValueError:
        return False


def _pairs(most: int) -> Iterator[tuple[int, int]]:
    return ((old, new) for new in range(1, most + 1) for old in range(1, new + 1))


def _with_a_bit_flipped(hashes: Sequence[bytes], at: int) -> list[bytes]:
    content = bytearray(b"".join(hashes))
    content[at // 8] ^= 1 << at % 8
    return [bytes(content[first : first + HASH_BYTES]) for first in range(0, len(content), HASH_BYTES)]


def _wrong_proofs(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Proofs with a hash too few, one too many, one of another length, or two in the other order."""
    for at in range(len(proof)):
        yield proof[:at] + proof[at + 1 :]
        yield [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
        yield [*proof[:at], proof[at] + b"\x00", *proof[at + 1 :]]
    for at in range(len(proof) + 1):
        yield [*proof[:at], _OTHER, *proof[at:]]
        yield [*proof[:at], b"", *proof[at:]]
    for at in range(1, len(proof)):
        yield [*proof[: at - 1], proof[at], proof[at - 1], *proof[at + 1 :]]


def test_the_roots_are_the_published_ones() -> None:
    """The tree over the published entries has the published root at every size."""
    grown = CompactRange()
    assert grown.root().hex() == EMPTY_ROOT.hex() == _PUBLISHED_ROOTS[0]
    for entry, root in zip(_PUBLISHED_ENTRIES, _PUBLISHED_ROOTS[1:], strict=True):
        grown.append(leaf_hash(entry))
        assert grown.root().hex() == root


def test_the_hashes_of_stretches_are_the_published_ones() -> None:
    """A stretch of leaves has the root that published proofs give for it."""
    leaves = [leaf_hash(entry) for entry in _PUBLISHED_ENTRIES]
    assert [one.hex() for one in _roots(list(_PUBLISHED_HASHES), leaves)] == list(_PUBLISHED_HASHES.values())


@pytest.mark.parametrize(
    ("index", "size", "ranges"),
    [
        (0, 1, []),
        (0, 8, [(1, 2), (2, 4), (4, 8)]),
        (5, 8, [(4, 5), (6, 8), (0, 4)]),
        (2, 3, [(0, 2)]),
        (1, 5, [(0, 1), (2, 4), (4, 5)]),
    ],
)
def test_the_inclusion_proofs_are_the_published_ones(index: int, size: int, ranges: list[tuple[int, int]]) -> None:
    """A published inclusion proof is the one that is made, and leads to the published root."""
    assert inclusion_ranges(index, size) == ranges
    proof = [bytes.fromhex(_PUBLISHED_HASHES[stretch]) for stretch in ranges]
    root = root_by_inclusion(index, size, leaf_hash(_PUBLISHED_ENTRIES[index]), proof)
    assert root.hex() == _PUBLISHED_ROOTS[size]


@pytest.mark.parametrize(
    ("old", "new", "ranges"),
    [
        (1, 1, []),
        (1, 8, [(1, 2), (2, 4), (4, 8)]),
        (6, 8, [(4, 6), (6, 8), (0, 4)]),
        (2, 5, [(2, 4), (4, 5)]),
        (6, 7, [(4, 6), (6, 7), (0, 4)]),
    ],
)
def test_the_consistency_proofs_are_the_published_ones(old: int, new: int, ranges: list[tuple[int, int]]) -> None:
    """A published consistency proof is the one that is made, and holds between the published roots."""
    assert consistency_ranges(old, new) == ranges
    proof = [bytes.fromhex(_PUBLISHED_HASHES[stretch]) for stretch in ranges]
    old_root, new_root = (bytes.fromhex(_PUBLISHED_ROOTS[size]) for size in (old, new))
    assert consistent(old, new, old_root, new_root, proof)


def test_leaves_and_nodes_are_told_apart_by_their_prefix() -> None:
    """A leaf hashes 0x00 and the entry, a node 0x01 and both roots: an entry that reads like a node is not one."""
    left, right = _LEAVES[:2]
    assert leaf_hash(b"entry") == sha256(b"\x00entry").digest()
    assert node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    assert leaf_hash(left + right) != node_hash(left, right) != node_hash(right, left)


def test_a_range_has_the_root_of_its_leaves_at_every_size() -> None:
    """However many leaves it took, a range's root is the one that the RFC defines over all of them."""
    grown = CompactRange()
    for size in range(_MOST):
        assert grown.size == size
        assert grown.root() == _mth(_LEAVES[:size])
        grown.append(_LEAVES[size])


@given(st.lists(st.binary()), st.lists(st.binary()))
def test_a_range_goes_on_from_its_bytes(before: list[bytes], after: list[bytes]) -> None:
    """A range that was written and read is the same, and grows as if it had never stopped."""
    leaves = [leaf_hash(entry) for entry in before + after]
    stopped = _grown(leaves[: len(before)])
    read = CompactRange.from_bytes(stopped.size, stopped.to_bytes())
    assert (read.size, read.to_bytes(), read.root()) == (stopped.size, stopped.to_bytes(), stopped.root())
    for leaf in leaves[len(before) :]:
        read.append(leaf)
    assert (read.size, read.root()) == (len(leaves), _mth(leaves))


def test_a_range_is_its_perfect_subtrees() -> None:
    """Its bytes are the roots of the perfect subtrees, the largest first: of eleven leaves, those of 8, 2 and 1."""
    eight, two, one = _mth(_LEAVES[:8]), _mth(_LEAVES[8:10]), _LEAVES[10]
    assert _grown(_LEAVES[:11]).to_bytes() == eight + two + one
    assert CompactRange(11, (eight, two, one)).root() == _mth(_LEAVES[:11])


def test_a_copy_grows_alone() -> None:
    """What is added to a copy, or changed in the list that a range was made of, does not change the range."""
    hashes = [_LEAVES[0]]
    grown = CompactRange(1, hashes)
    copy = grown.copy()
    hashes.clear()
    copy.append(_LEAVES[1])
    assert (grown.size, grown.root()) == (1, _LEAVES[0])
    assert (copy.size, copy.root()) == (2, _mth(_LEAVES[:2]))


@pytest.mark.parametrize(
    ("size", "hashes"),
    [
        (-1, [_OTHER]),
        (0, [_OTHER]),
        (1, []),
        (2, [_OTHER, _OTHER]),
        (3, [_OTHER]),
        (1, [_OTHER[:-1]]),
        (1, [_OTHER + b"\x00"]),
        (3, [_OTHER + b"\x00", _OTHER[:-1]]),
        (2**70 - 1, [_OTHER] * 69),
    ],
)
def test_a_range_of_the_wrong_shape_is_refused(size: int, hashes: list[bytes]) -> None:
    """A size wants as many hashes as it has bits that are set, each of 32 bytes."""
    with pytest.raises(ValueError, match="hash"):
        CompactRange(size, hashes)


@pytest.mark.parametrize(
    ("size", "length"), [(-1, 32), (0, 1), (0, 32), (1, 0), (1, 31), (1, 33), (1, 64), (3, 63), (3, 65)]
)
def test_bytes_of_the_wrong_length_are_refused(size: int, length: int) -> None:
    """Bytes that were cut off, or belong to another size, make no range."""
    with pytest.raises(ValueError, match="hash"):
        CompactRange.from_bytes(size, bytes(length))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_leaf_of_another_length_is_refused(length: int) -> None:
    """A range takes leaf hashes, not entries, and is as it was after it refused one."""
    grown = _grown(_LEAVES[:3])
    with pytest.raises(ValueError, match="32 bytes"):
        grown.append(bytes(length))
    assert (grown.size, grown.root()) == (3, _mth(_LEAVES[:3]))


def test_every_leaf_is_shown_to_be_in_every_tree() -> None:
    """For every leaf of every tree, the proof is the one that the RFC defines, and leads to the root."""
    for size in range(1, _MOST + 1):
        root = _mth(_LEAVES[:size])
        for index in range(size):
            proof = _path(index, _LEAVES[:size])
            assert _roots(inclusion_ranges(index, size)) == proof
            assert root_by_inclusion(index, size, _LEAVES[index], proof) == root


def test_every_tree_is_shown_to_be_the_beginning_of_every_later_one() -> None:
    """For every two sizes, the proof is the one that the RFC defines, and holds."""
    roots = [_mth(_LEAVES[:size]) for size in range(_MOST + 1)]
    for old, new in _pairs(_MOST):
        proof = _subproof(old, _LEAVES[:new], True)
        assert _roots(consistency_ranges(old, new)) == proof
        assert consistent(old, new, roots[old], roots[new], proof)


@given(st.data())
def test_an_inclusion_proof_with_a_bit_flipped_leads_elsewhere(data: st.DataObject) -> None:
    """With one bit changed in the leaf, in a hash of the proof, or in the root, the proof does not hold."""
    size = data.draw(st.integers(1, _MOST))
    index = data.draw(st.integers(0, size - 1))
    hashes = [_mth(_LEAVES[:size]), _LEAVES[index], *_path(index, _LEAVES[:size])]
    root, leaf, *proof = _with_a_bit_flipped(hashes, data.draw(st.integers(0, len(hashes) * 256 - 1)))
    assert not _leads(index, size, leaf, proof, root)


@given(st.data())
def test_a_consistency_proof_with_a_bit_flipped_fails(data: st.DataObject) -> None:
    """With one bit changed in either root, or in a hash of the proof, the proof does not hold."""
    new = data.draw(st.integers(1, _MOST))
    old = data.draw(st.integers(1, new))
    hashes = [_mth(_LEAVES[:old]), _mth(_LEAVES[:new]), *_subproof(old, _LEAVES[:new], True)]
    old_root, new_root, *proof = _with_a_bit_flipped(hashes, data.draw(st.integers(0, len(hashes) * 256 - 1)))
    assert not consistent(old, new, old_root, new_root, proof)


def test_an_inclusion_proof_holds_for_one_index() -> None:
    """Under any other index of the same tree, or one outside it, a proof does not hold for the leaf."""
    for size in range(1, 34):
        root = _mth(_LEAVES[:size])
        for index in range(size):
            proof = _path(index, _LEAVES[:size])
            held = [other for other in range(-2, size + 3) if _leads(other, size, _LEAVES[index], proof, root)]
            assert held == [index]


def test_an_inclusion_proof_holds_for_the_sizes_of_its_shape() -> None:
    """A proof holds under another size only where the way down to the leaf is the same: size and root go together."""
    for size in range(1, 20):
        root = _mth(_LEAVES[:size])
        for index in range(size):
            proof = _path(index, _LEAVES[:size])
            held = [other for other in range(-2, 70) if _leads(index, other, _LEAVES[index], proof, root)]
            assert held == [other for other in range(index + 1, 70) if _sides(index, other) == _sides(index, size)]


def test_a_consistency_proof_holds_for_one_old_size() -> None:
    """Under any other old size, a proof does not hold."""
    for old, new in _pairs(33):
        old_root, new_root, proof = _mth(_LEAVES[:old]), _mth(_LEAVES[:new]), _subproof(old, _LEAVES[:new], True)
        held = [other for other in range(-2, new + 3) if consistent(other, new, old_root, new_root, proof)]
        assert held == [old]


def test_a_consistency_proof_holds_for_the_new_sizes_of_its_shape() -> None:
    """A proof holds under another new size only where the way down to the last old leaf is the same."""
    for old, new in _pairs(20):
        old_root, new_root, proof = _mth(_LEAVES[:old]), _mth(_LEAVES[:new]), _subproof(old, _LEAVES[:new], True)
        held = [other for other in range(-2, 70) if consistent(old, other, old_root, new_root, proof)]
        shape = _sides(old - 1, new)
        assert held == [other for other in range(old, 70) if _sides(old - 1, other) == shape]


def test_a_tree_with_another_beginning_is_not_consistent() -> None:
    """When a leaf of the old tree was changed, no proof that the new tree can give holds against the old root."""
    for old, new in _pairs(20):
        for changed in range(old):
            leaves = [*_LEAVES[:changed], _OTHER, *_LEAVES[changed + 1 : new]]
            proof = _subproof(old, leaves, True)
            assert not consistent(old, new, _mth(_LEAVES[:old]), _mth(leaves), proof)


def test_a_proof_of_another_length_or_order_fails() -> None:
    """A proof with a hash too few, too many, too short, too long or in the wrong place does not hold."""
    for old, new in _pairs(20):
        old_root, new_root = _mth(_LEAVES[:old]), _mth(_LEAVES[:new])
        for proof in _wrong_proofs(_path(old - 1, _LEAVES[:new])):
            assert not _leads(old - 1, new, _LEAVES[old - 1], proof, new_root)
        for proof in _wrong_proofs(_subproof(old, _LEAVES[:new], True)):
            assert not consistent(old, new, old_root, new_root, proof)


def test_bytes_cannot_move_between_neighbours() -> None:
    """Two hashes that together have the right bytes, but are cut elsewhere, are no hashes."""
    left, right = _LEAVES[:2]
    root = node_hash(left, right)
    assert node_hash(left + right[:1], right[1:]) == root
    assert not _leads(0, 2, left + right[:1], [right[1:]], root)
    assert not consistent(1, 2, left + right[:1], root, [right[1:]])


@pytest.mark.parametrize("wrong", [b"", _OTHER[:-1], _OTHER + b"\x00"])
def test_a_hash_of_another_length_fails_though_it_leads_to_the_root(wrong: bytes) -> None:
    """A single hash that is not of 32 bytes fails a proof, even if the root was made with it."""
    left = right = _LEAVES[0]
    assert not _leads(0, 1, wrong, [], wrong)
    assert not _leads(0, 2, wrong, [right], node_hash(wrong, right))
    assert not _leads(0, 2, left, [wrong], node_hash(left, wrong))
    assert not consistent(1, 1, wrong, wrong, [])
    assert not consistent(1, 2, wrong, node_hash(wrong, right), [right])
    assert not consistent(1, 2, left, node_hash(left, wrong), [wrong])


def test_the_empty_tree_has_no_proofs() -> None:
    """It has no leaf to show, and that it is the beginning of another tree needs no showing: none is accepted."""
    with pytest.raises(ValueError, match="no leaf 0"):
        inclusion_ranges(0, 0)
    with pytest.raises(ValueError, match="no proof"):
        consistency_ranges(0, 1)
    assert not consistent(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert not consistent(0, 1, EMPTY_ROOT, _LEAVES[0], [])


@cache
def _uniform(size: int) -> bytes:
    """The root of a tree in which every leaf is the same."""
    if size == 1:
        return _OTHER
    k = _split(size)
    return node_hash(_uniform(k), _uniform(size - k))


@given(st.data())
def test_proofs_hold_in_trees_that_nobody_could_store(data: st.DataObject) -> None:
    """Up to 2**70 leaves and beyond, proofs of at most a few hashes per bit of the size are made, and hold."""
    new = data.draw(st.integers(1, 2**71) | st.sampled_from(_HUGE[:6]))
    old = data.draw(st.integers(1, new))
    inclusion, consistency = inclusion_ranges(old - 1, new), consistency_ranges(old, new)
    assert _tiles([*inclusion, (old - 1, old)]) == (0, new)
    proof = [_uniform(last - first) for first, last in inclusion]
    assert root_by_inclusion(old - 1, new, _OTHER, proof) == _uniform(new)
    proof = [_uniform(last - first) for first, last in consistency]
    assert consistent(old, new, _uniform(old), _uniform(new), proof)
    if proof:
        assert not consistent(old, new, _uniform(old), _uniform(new), [*proof[:-1], EMPTY_ROOT])


def _tiles(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """What the ranges cover together, each leaf once."""
    ranges = sorted(ranges)
    for (_, last), (first, _) in pairwise(ranges):
        assert last == first
    return ranges[0][0], ranges[-1][1]


_numbers = st.integers(-3, 20) | st.integers() | st.sampled_from(_HUGE)
_hashes = st.sampled_from([_OTHER, *_LEAVES[:3]]) | st.binary(max_size=65)


@given(_numbers, _numbers, _hashes, _hashes, st.lists(_hashes) | st.integers(0, 200).map(lambda n: [_OTHER] * n))
def test_a_stranger_s_proof_is_false_and_no_error(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]
) -> None:
    """Whatever the numbers and bytes are, `consistent` answers, at once, and only equal trees need no proof."""
    trivial = 0 < old == new and old_root == new_root and len(old_root) == HASH_BYTES and not proof
    assert consistent(old, new, old_root, new_root, proof) is trivial


@given(_numbers, _numbers, _hashes, st.lists(_hashes) | st.integers(0, 200).map(lambda n: [_OTHER] * n))
def test_a_stranger_s_inclusion_proof_raises_nothing_else(
    index: int, size: int, leaf: bytes, proof: list[bytes]
) -> None:
    """Whatever the numbers and bytes are, an inclusion proof leads to a hash or raises ValueError, at once."""
    try:
        root = root_by_inclusion(index, size, leaf, proof)
    except ValueError:
        return
    assert len(root) == HASH_BYTES
    assert 0 <= index < size


def test_numbers_of_a_million_digits_are_answered_at_once() -> None:
    """A number costs no more than its length, even one that Python refuses to print."""
    huge = 2**4_000_000
    for old, new in ((huge - 1, huge), (1, huge), (huge, huge + 1), (huge // 2, huge), (huge + 1, huge), (huge, -huge)):
        assert not consistent(old, new, _OTHER, _LEAVES[0], [_OTHER] * 100)
        with pytest.raises(ValueError, match=r"hashes|digits"):
            root_by_inclusion(old, new, _OTHER, [_OTHER] * 100)
        with pytest.raises(ValueError, match=r"hashes|digits"):
            CompactRange(new - 1, [])


@pytest.mark.parametrize("ranges", [inclusion_ranges, consistency_ranges])
@pytest.mark.parametrize(
    ("number", "size"), [(-1, 1), (-1, -1), (2, 1), (2**70, 2**70 - 1), (2**10_000 + 1, 2**10_000), (-(2**70), 2**70)]
)
def test_there_are_no_proofs_outside_a_tree(
    ranges: Callable[[int, int], list[tuple[int, int]]], number: int, size: int
) -> None:
    """A leaf, or an old tree, that the tree cannot hold has no proof."""
    with pytest.raises(ValueError, match=r"no leaf|no proof"):
        ranges(number, size)
