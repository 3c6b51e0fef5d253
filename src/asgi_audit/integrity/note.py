"""A text and who has signed it, as C2SP's signed-note has it (https://c2sp.org/signed-note).

    the text, of one or more lines
                                                  a blank line: the last one divides, for the text may have its own
    — name base64(key id || signature)            any number of these

Rule 1: there is one way only to write a note. What parses is printed as it was, byte for byte, and a bit that is
flipped anywhere is either in what was signed or in what is refused.
Rule 2: a name says nothing, nor does a key id of four bytes. Only a key that the reader was given makes a text true.
Rule 3: a note without signatures is one, too: what a log says before it has a key. No reader with a key believes it.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple, Protocol, Self
from unicodedata import category

from asgi_audit.errors import AuditError

#: What precedes the key in its text and in what its id hashes: the signature type of Ed25519.
ED25519: Final = b"\x01"

_DASH: Final = "\N{EM DASH} "
_ID_BYTES: Final = 4
_MOST_BYTES: Final = 64 * 1024
_MOST_SIGNATURES: Final = 64  # readers must take 16
_LONGEST_NAME: Final = 255
_LONGEST_PIECE: Final = 40
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")  # what signed-note forbids: the ASCII ones, without the newline


class MalformedNote(AuditError, ValueError):  # noqa: N818 - named as what it is
    """A text that is no signed note, no checkpoint or no name of a key."""


class BadSignature(AuditError):  # noqa: N818 - named as what it is
    """A signature by the known key `name` is not that key's, or not of that text: somebody has forged or damaged it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the signature of {piece(name)} does not verify")
        self.name = name


class Signer(Protocol):
    """A key that signs. It may be called on any thread; what it raises, `sign` raises."""

    @property
    def name(self) -> str:
        """As `check_name` has it."""
        ...

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell this key from others of the name."""
        ...

    def sign(self, text: bytes) -> bytes:
        """Return the bare signature."""
        ...


class Verifier(Protocol):
    """The public half of a key. It may be called on any thread."""

    @property
    def name(self) -> str:
        """As `check_name` has it."""
        ...

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell this key from others of the name."""
        ...

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the key made this signature of this text; one of any length is answered, not raised about."""
        ...


class Signature(NamedTuple):
    """One line under a text; `signature` is without the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


class Note(NamedTuple):
    """A text, which ends with a newline, and its signatures, of which nobody has verified any yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, content: str) -> Self:
        """Take a note apart, or raise `MalformedNote`. Bytes that are no UTF-8 may come as surrogates: none passes."""
        _check_characters(content)
        head, blank, tail = content.rpartition("\n\n")
        if not blank:
            raise MalformedNote("a note has a blank line behind its text")
        *lines, rest = tail.split("\n")
        if rest:
            raise MalformedNote(f"a note ends with a newline, not with {piece(rest)}")
        if len(lines) > _MOST_SIGNATURES:
            raise MalformedNote(f"a note has at most {_MOST_SIGNATURES} signatures, not {len(lines)}")
        return cls(f"{head}\n", tuple(map(_signature, lines)))

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    signed = from_base64(encoded)
    if not line.startswith(_DASH) or not space or signed is None or len(signed) <= _ID_BYTES:
        raise MalformedNote(f"no line with a signature: {piece(line)}")
    return Signature(check_name(name), signed[:_ID_BYTES], signed[_ID_BYTES:])


def _check_characters(content: str) -> None:
    try:
        size = len(content.encode())
    except UnicodeEncodeError:
        raise MalformedNote("a note is UTF-8") from None
    if size > _MOST_BYTES:
        raise MalformedNote(f"a note has at most {_MOST_BYTES} bytes, not {size}")
    control = _CONTROL.search(content)
    if control is not None:
        raise MalformedNote(f"a note has no control characters: {piece(control[0])}")


def check_text(text: str) -> str:
    """The text, if a note can have it; else raises `MalformedNote`."""
    _check_characters(text)
    if not text.endswith("\n"):
        raise MalformedNote(f"the text of a note ends with a newline, not with {piece(text[-_LONGEST_PIECE:])}")
    return text


def check_name(name: str) -> str:
    """The name, if a key can have it; else raises `MalformedNote`."""
    if not name:
        raise MalformedNote("the name of a key is not empty")
    for each in name:
        if each == "+" or each.isspace() or category(each) in {"Cc", "Cs"}:
            raise MalformedNote(f"the name of a key has no {each!r}: {piece(name)}")
    if len(name.encode()) > _LONGEST_NAME:
        raise MalformedNote(f"the name of a key has at most {_LONGEST_NAME} bytes: {piece(name)}")
    return name


def key_id(name: str, public: bytes) -> bytes:
    """The id of an Ed25519 key."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:_ID_BYTES]


def sign(text: str, signers: Sequence[Signer]) -> str:
    """The note that says the text and is signed by all of them, in their order; `MalformedNote` if none can say it."""
    message = check_text(text).encode()
    lines = (Signature(check_name(signer.name), signer.key_id, signer.sign(message)) for signer in signers)
    content = str(Note(text, tuple(lines)))
    Note.parse(content)  # what is not read must not be written: it may have become too long
    return content


def verified(note: Note, verifiers: Sequence[Verifier]) -> list[Verifier]:
    """Those of the verifiers whose signature the note has; if there is none, the text must not be believed.

    A signature that is nobody's of them is ignored. Raises `BadSignature` if one of theirs does not verify, whatever
    the others do.
    """
    message = note.text.encode()
    good = []
    for verifier in verifiers:
        theirs = [each for each in note.signatures if (each.name, each.key_id) == (verifier.name, verifier.key_id)]
        if not all(verifier.verify(message, each.signature) for each in theirs):
            raise BadSignature(verifier.name)
        if theirs:
            good.append(verifier)
    return good


def from_base64(text: str) -> bytes | None:
    """The bytes, or None if this is not how they are written (RFC 4648, sections 3.5 and 4).

    The library lets a last letter pass that holds bits of no byte: two texts would then be the same signature. There is
    no error that could tell the text: it may be a private key.
    """
    try:
        decoded = b64decode(text, validate=True)
    except ValueError:
        return None
    return decoded if b64encode(decoded).decode() == text else None


def piece(text: str) -> str:
    """The beginning of a text, in quotes and on one line, for a message."""
    return repr(text if len(text) <= _LONGEST_PIECE else f"{text[:_LONGEST_PIECE]}…")
