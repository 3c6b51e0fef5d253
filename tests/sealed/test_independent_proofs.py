"""What a proof proves, two verifiers agree about: the package's, and that of `examples/verify_bundle.py`."""

import asyncio
import json
from random import Random

import pytest

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.proof import Proof, ProofFailed
from asgi_audit.signing import SigningKey, VerifierKey
from asgi_audit.sqlalchemy.proving import prove
from tests.sealed.independent import Exported, example, make_exported, pinned
from tests.sealed.spoiling import change, rows, spoil

_SPOILT = 100  # proofs


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A small log with everything in it."""
    return make_exported(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def proofs(exported: Exported) -> list[bytes]:
    """Of some records: of the first and last that have rows, of one with erased parts, of one that hides some."""

    async def make() -> list[bytes]:
        url = exported.lines[0]["name"]
        stored = [each["row"] for each in rows(exported.lines)]
        erased = next(row for row in stored if None in (row["actor"], row["target"]))
        found = [await prove(url, row["id"]) for row in (stored[0], stored[len(stored) // 2], erased, stored[-1])]
        found += [await prove(url, stored[1]["id"], shown=["detail"]), await prove(url, stored[2]["id"], shown=[])]
        return [proof.encode() for proof in found]

    return asyncio.run(make())


def _proved(content: bytes, keys: list[VerifierKey]) -> tuple[bool, bool]:
    """By the package, and by the example."""
    try:
        Proof.parse(content).check(keys)
        package = True
    except ProofFailed:
        package = False
    try:
        verdict, _ = example.check(json.loads(content), pinned(keys))
    except Exception:  # noqa: BLE001 - as the example's own last lines have it
        return package, False
    return package, verdict == "PROVED"


def test_they_agree_about_proofs(exported: Exported, proofs: list[bytes]) -> None:
    """Whatever is shown or hidden; by the log's key, and by no other."""
    for content in proofs:
        assert _proved(content, exported.keys) == (True, True)
        assert _proved(content, [SigningKey.generate(exported.keys[0].name).verifier]) == (False, False)


@pytest.mark.parametrize("seed", range(_SPOILT))
def test_they_agree_about_damaged_proofs(exported: Exported, proofs: list[bytes], seed: int) -> None:
    """A value is changed, a hash or a part is left out, or comes twice."""
    chance = Random(seed)
    proof = json.loads(proofs[seed % len(proofs)])
    how = seed % 5
    if how == 0:
        at = chance.randrange(len(proof["hashes"]))
        proof["hashes"][at] = spoil(proof["hashes"][at], chance)
    elif how == 1:
        proof["hashes"].insert(chance.randrange(len(proof["hashes"]) + 1), chance.choice(proof["hashes"]))
    elif how == 2:
        del proof["hashes"][chance.randrange(len(proof["hashes"]))]
    else:
        change(proof, chance, frozenset({"parts", *PARTS}))  # to show less is no damage
    assert _proved(json.dumps(proof).encode(), exported.keys) == (False, False)


def test_a_part_more_or_less_is_no_damage(exported: Exported, proofs: list[bytes]) -> None:
    """What is not shown is not asked for; a part of another name is none."""
    proof = json.loads(proofs[0])
    del proof["parts"]["actor"]
    assert _proved(json.dumps(proof).encode(), exported.keys) == (True, True)
    proof["parts"]["another"] = proof["parts"]["detail"]
    assert _proved(json.dumps(proof).encode(), exported.keys) == (False, False)
