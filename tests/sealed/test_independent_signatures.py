"""The Ed25519 of `examples/verify_bundle.py` is that of RFC 8032, and of the library that the package uses."""

from random import Random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.sealed.independent import example

# RFC 8032, section 7.1: tests 1, 2, 3 and "SHA(abc)": the public key, the message, the signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
        "3dca179c138ac17ad9bef1177331a704",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


def _held(public: bytes, message: bytes, signature: bytes) -> bool:
    """What the package's library says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc(public: str, message: str, signature: str) -> None:
    """The example's Ed25519 is that of RFC 8032."""
    given = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
    assert example.signed(*given)
    assert not example.signed(given[0], given[1] + b"x", given[2])


@pytest.mark.parametrize("seed", range(40))
def test_the_signatures_are_those_of_the_library(seed: int) -> None:
    """Right ones; with a bit that is flipped, in key, text or signature; too short and too long; by another key."""
    chance = Random(seed)
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    public, message = key.public_key().public_bytes_raw(), chance.randbytes(chance.randrange(200))
    signature = key.sign(message)
    given = [public, message or b"x", signature]
    at = seed % 4
    if at < 3:
        spoilt = bytearray(given[at])
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
        given[at] = bytes(spoilt)
    else:
        given[2] = chance.choice([signature[:-1], signature + b"\0", b"", signature[:32]])
    assert example.signed(public, message, signature)
    assert example.signed(*given) is _held(*given) is False


def test_a_signature_has_one_form_only() -> None:
    """The same point and the same number can be written otherwise: that is no signature (RFC 8032, section 5.1.7)."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"x")
    larger = int.from_bytes(signature[32:], "little") + ORDER
    again = signature[:32] + larger.to_bytes(32, "little")
    assert (example.signed(public, b"x", again), _held(public, b"x", again)) == (False, False)
    # A point whose y is p + 1, which is another way to write 1.
    assert not example.signed((2**255 - 18).to_bytes(32, "little"), b"x", signature)
