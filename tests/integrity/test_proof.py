"""What a proof proves, and that nothing else can be made to look like one."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.integrity import leaf
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.merkle import CompactRange, inclusion_ranges, leaf_hash
from asgi_audit.integrity.note import sign
from asgi_audit.integrity.proof import FORMAT, Proof, ProofFailed
from asgi_audit.record import Actor, Record
from asgi_audit.signing import SigningKey
from tests.samples import record

KEY = SigningKey.generate("audit.example/proof")
SALTS = bytes(range(48))
RECORD = record(actor=Actor("42", name="Zoë"), salts=SALTS)


def core_and_parts(of: Record) -> tuple[bytes, tuple[bytes, bytes, bytes]]:
    """As a sink stores them."""
    parts = leaf.parts(of)
    return leaf.core(of, leaf.commit(SALTS, *parts)), parts


def proof_of(core: bytes, parts: Sequence[bytes], index: int = 3, size: int = 7, **changes: Any) -> Proof:
    """A proof of a leaf among others, signed by the key."""
    hashes = [leaf_hash(b"%d" % at) for at in range(size)]
    hashes[index] = leaf_hash(core)

    def root(first: int, last: int) -> bytes:
        tree = CompactRange()
        for each in hashes[first:last]:
            tree.append(each)
        return tree.root()

    row: dict[str, str | None] = {"core": core.decode()}
    for at, (name, part) in enumerate(zip(leaf.PARTS, parts, strict=True)):
        row |= {name: part.decode(), f"{name}_salt": SALTS[16 * at : 16 * at + 16].hex()}
    way = [root(*stretch) for stretch in inclusion_ranges(index, size)]
    note = sign(Checkpoint(KEY.name, size, root(0, size)).text, [KEY])
    return Proof.of(index, row | changes, way, note, leaf.PARTS)


GOOD = proof_of(*core_and_parts(RECORD))


def changed(change: Callable[[dict[str, Any]], object]) -> Proof:
    """The good proof, as somebody has changed its file."""
    content = json.loads(GOOD.encode())
    change(content)
    return Proof.parse(json.dumps(content).encode())


@pytest.mark.parametrize("size", range(1, 10))
def test_a_proof_shows_the_record_and_where_it_stands(size: int) -> None:
    """Wherever that is; and it survives the way through a file."""
    core, parts = core_and_parts(RECORD)
    for index in range(size):
        proof = Proof.parse(proof_of(core, parts, index, size).encode())
        checked = proof.check([KEY.verifier])
        assert checked.record == leaf.assemble(core, *parts)
        assert checked.record.actor == RECORD.actor
        assert (checked.hidden, checked.signed_by) == ([], [KEY.name])
        assert checked.checkpoint[:2] == (KEY.name, size)


def test_a_part_that_is_left_out_stays_hidden() -> None:
    """By whoever passes the proof on, too; the rest still holds."""
    checked = changed(lambda content: content["parts"].pop("actor")).check([KEY.verifier])
    assert checked.hidden == ["actor"]
    assert (checked.record.actor, checked.record.source) == (None, None)
    assert checked.record.targets == RECORD.targets


def test_an_erased_part_can_not_be_shown() -> None:
    """It is as if it had been left out."""
    proof = proof_of(*core_and_parts(RECORD), target=None, target_salt=None)
    assert proof.check([KEY.verifier]).hidden == ["target"]


def test_only_a_given_key_s_word_counts() -> None:
    """Not that of another with the same name, nor nobody's."""
    other = SigningKey.generate(KEY.name).verifier
    for keys in ([], [other]):
        with pytest.raises(ProofFailed, match=r"^the checkpoint is signed by none of the given keys$"):
            GOOD.check(keys)
    assert GOOD.check([other, KEY.verifier]).signed_by == [KEY.name]


def _forge(content: dict[str, Any]) -> None:
    note = content["checkpoint"]
    content["checkpoint"] = note.replace("\n7\n", "\n8\n")


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another format": (
        lambda c: c.update(format="asgi-audit/2 proof"),
        "this proof has the format 'asgi-audit/2 proof'",
    ),
    "no format": (lambda c: c.pop("format"), "this is no proof: Object missing required field `format`"),
    "no note": (lambda c: c.update(checkpoint="x"), "the checkpoint: a note has a blank line"),
    "no checkpoint": (lambda c: c.update(checkpoint="x\n\n"), "the checkpoint: a checkpoint has an origin"),
    "another size": (_forge, "the checkpoint: the signature of 'audit.example/proof' does not verify"),
    "another core": (
        lambda c: c.update(core=c["core"].replace("success", "failed")),
        "the record is not at that place",
    ),
    "another index": (lambda c: c.update(index=2), "the record is not at that place"),
    "behind the end": (lambda c: c.update(index=7), "the hashes: "),
    "before the beginning": (lambda c: c.update(index=-1), "the hashes: "),
    "far away": (lambda c: c.update(index=2**100), "the hashes: "),
    "an index in words": (lambda c: c.update(index="3"), "this is no proof: Expected `int`"),
    "a hash less": (lambda c: c["hashes"].pop(), "the hashes: "),
    "a hash more": (lambda c: c["hashes"].append("00" * 32), "the hashes: "),
    "hashes without end": (lambda c: c["hashes"].extend(["00" * 32] * 100_000), "this is no proof: "),
    "another hash": (lambda c: c["hashes"].reverse(), "the record is not at that place"),
    "a short hash": (lambda c: c["hashes"].append(c["hashes"].pop()[:-2]), "the hashes: "),
    "half a byte": (lambda c: c["hashes"].append(c["hashes"].pop()[:-1]), "the hashes: "),
    "no hex digits": (lambda c: c["hashes"].append("é" + c["hashes"].pop()[1:]), "the hashes: "),
    "another actor": (
        lambda c: c["parts"]["actor"].update(text=c["parts"]["actor"]["text"].replace("42", "43")),
        "the part 'actor' is not what the record commits to",
    ),
    "another salt": (
        lambda c: c["parts"]["actor"].update(salt="00" * 16),
        "the part 'actor' is not what the record commits to",
    ),
    "no salt": (lambda c: c["parts"]["actor"].update(salt="x"), "the part 'actor' is not"),
    "parts exchanged": (
        lambda c: c["parts"].update(actor=c["parts"]["target"]),
        "the part 'actor' is not what the record commits to",
    ),
    "an unknown part": (
        lambda c: c["parts"].update({"x" * 99: c["parts"]["actor"]}),
        "this is no proof: Object contains unknown field",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_proof_that_was_changed_fails(name: str) -> None:
    """For a reason in one line, which repeats nothing at length."""
    change, reason = HOSTILE[name]
    with pytest.raises(ProofFailed) as raised:
        changed(change).check([KEY.verifier])
    assert str(raised.value).startswith(reason)
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'"\xed\xa0\x80"',
        b"[" * 100_000,
        b'{"index": 1' + b"0" * 9999 + b"}",
        b" " * 2**25,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_proof_is_refused(content: bytes) -> None:
    """However it is none."""
    with pytest.raises(ProofFailed, match=r"^this is no proof: "):
        Proof.parse(content)


@pytest.mark.parametrize("core", [b"", b"{}", b"nonsense", b"[" * 100_000, b'{"v": 1}'])
def test_a_leaf_that_is_no_record_is_none(core: bytes) -> None:
    """Though it was sealed: somebody has written it to the database."""
    parts = core_and_parts(RECORD)[1]
    with pytest.raises(ProofFailed, match=r"^the record can't be read: "):
        proof_of(core, parts).check([KEY.verifier])


@pytest.mark.parametrize("part", [b"", b"[]", b"nonsense", b'{"actor": 7}', b"[" * 100_000])
def test_a_part_that_is_none_of_a_record_is_none(part: bytes) -> None:
    """Though the core commits to it."""
    _, target, detail = core_and_parts(RECORD)[1]
    parts = (part, target, detail)
    core = leaf.core(RECORD, leaf.commit(SALTS, *parts))
    with pytest.raises(ProofFailed, match=r"^the record can't be read: "):
        proof_of(core, parts).check([KEY.verifier])


@given(st.data())
def test_whatever_is_changed_what_is_proved_is_true(data: st.DataObject) -> None:
    """A byte here or there makes it fail, or makes no difference to the record but that less of it is shown."""
    content = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        checked = Proof.parse(bytes(content)).check([KEY.verifier])
    except ProofFailed:
        return
    core, parts = core_and_parts(RECORD)
    shown = [None if name in checked.hidden else part for name, part in zip(leaf.PARTS, parts, strict=True)]
    assert checked.record == leaf.assemble(core, *shown)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_likely = st.fixed_dictionaries(
    {
        "checkpoint": st.just(GOOD.checkpoint) | st.text(),
        "core": st.just(GOOD.core) | st.text(),
        "format": st.just(FORMAT),
        "hashes": st.just(GOOD.hashes) | st.lists(st.text(max_size=64), max_size=5),
        "index": st.integers(),
        "parts": st.dictionaries(
            st.sampled_from(leaf.PARTS) | st.text(),
            st.fixed_dictionaries({"salt": st.text(), "text": st.text()}),
            max_size=4,
        ),
    }
)


@given(st.binary() | (_json | _likely).map(lambda value: json.dumps(value).encode()))
def test_a_stranger_s_file_does_no_harm(content: bytes) -> None:
    """It proves nothing, and raises nothing else."""
    with pytest.raises(ProofFailed):
        Proof.parse(content).check([KEY.verifier])
