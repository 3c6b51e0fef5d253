"""A proof against whoever checks it: a file that somebody has sent us, with the sealer's key at hand."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.integrity.proof import Proof, ProofFailed
from asgi_audit.sqlalchemy.proving import prove
from tests.sealed.apart import PROOF, verify_apart
from tests.sealed.log import Log, build

MIB = 2**20


class Sent:
    """The proof of an honest record."""

    def __init__(self, home: Path) -> None:
        self.log = Log(f"sqlite:///{home}/audit.db", home)
        self.file = home / f"sent{PROOF}"
        record = asyncio.run(build(self.log, random.Random(1), 100))[60]
        self.content = asyncio.run(prove(self.log.url, record.id)).encode()
        self.proof: dict[str, Any] = json.loads(self.content)
        self.keys = self.log.pinned

    def holds(self, content: bytes) -> bool:
        """Whether it proves anything; whatever else it does is a fault of ours."""
        try:
            Proof.parse(content).check(self.keys)
        except ProofFailed:
            return False
        return True


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """One for all tests."""
    return Sent(tmp_path_factory.mktemp("proofs"))


PLACES = [
    *(("checkpoint",), ("core",), ("format",), ("hashes",), ("index",), ("parts",), ("hashes", 2), ("parts", "actor")),
    *(("parts", "actor", "salt"), ("parts", "actor", "text"), ("parts", "other")),
]
STRANGE = [b"NaN", b"1e999", b"9" * 400, b"-1", b"true", b"null", b"7", b"7.5", b"[]", b"[7]", b'{"a":7}', b'""']
STRANGE += [rb'"\ud800"', rb'"\u0000"', b'"\xff"', b"[" * 10**5, b"[" * 10**5 + b"]" * 10**5, b'"' + b"ab" * 32 + b'"']


def test_the_honest_one(sent: Sent) -> None:
    """It holds."""
    assert sent.holds(sent.content)


@pytest.mark.parametrize("keys", PLACES, ids=str)
def test_strange_values(sent: Sent, keys: tuple[Any, ...]) -> None:
    """Nothing is proved, wherever they stand."""
    for value in STRANGE:
        proof = json.loads(sent.content)
        holder = proof
        for key in keys[:-1]:
            holder = holder[key]
        holder[keys[-1]] = "THERE"
        content = json.dumps(proof).encode().replace(b'"THERE"', value)
        # A part that is not there is left out, and that is no lie.
        assert not sent.holds(content) or (len(keys), value) == (2, b"null") or (keys, value) == (("parts",), b"{}")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_one_that_is_cut_off(sent: Sent, share: float) -> None:
    """It is none."""
    assert not sent.holds(sent.content[: int(len(sent.content) * share)])


#: Made when they are needed, so that they do not stay in the tests' memory.
LARGE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "spaces": ("x", lambda: b"{" + b" " * 40 * MIB),
    "many lists": ("hashes", lambda: b"[" + b"[]," * 5 * MIB + b"0]"),
    "many texts": ("hashes", lambda: b"[" + b'"ab",' * 3 * MIB + b'"ab"]'),
    "many hashes": ("hashes", lambda: b"[" + b",".join([b'"' + b"ab" * 32 + b'"'] * 200_000) + b"]"),
    "many parts": (
        "parts",
        lambda: b"{" + b"".join(b'"%07d":{"salt":"","text":""},' % number for number in range(400_000)) + b'"a":0}',
    ),
    "a core of 14 MiB": ("core", lambda: b'"' + b"x" * 14 * MIB + b'"'),
    "a core of 14 MiB of four bytes a character": ("core", lambda: b'"' + "\U0001f600".encode() * 3 * MIB + b'"'),
    "a note of 14 MiB": ("checkpoint", lambda: b'"' + b"x" * 14 * MIB + b'"'),
}


@pytest.mark.parametrize(("key", "value"), LARGE.values(), ids=LARGE)
def test_large_values(sent: Sent, key: str, value: Callable[[], bytes]) -> None:
    """They take no more memory than there is."""
    content = json.dumps({**sent.proof, key: "THERE"}).encode().replace(b'"THERE"', value())
    sent.file.write_bytes(content)
    answer = verify_apart(sent.log, str(sent.file))
    assert (answer.error or "").startswith("ProofFailed: ")


@given(data=st.data())
def test_any_bytes(sent: Sent, data: st.DataObject) -> None:
    """If some of its bytes are others, it does not hold, or proves just the same."""
    content = bytearray(sent.content)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if sent.holds(bytes(content)):
        assert json.loads(content) == sent.proof


def test_any_bit(sent: Sent, full: bool) -> None:
    """The same of every single bit."""
    bits = range(8 * len(sent.content))
    for bit in bits if full else random.sample(bits, 2000):
        content = bytearray(sent.content)
        content[bit // 8] ^= 1 << bit % 8
        if sent.holds(bytes(content)):
            assert json.loads(content) == sent.proof
