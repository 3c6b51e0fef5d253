"""Keys that sign checkpoints, and their public halves: Ed25519 (RFC 8032), in the texts of Go's sumdb/note.

    PRIVATE+KEY+<name>+<key id, 8 hex digits>+<base64(0x01 || seed)>          the file of the sealer, 0600
    <name>+<key id, 8 hex digits>+<base64(0x01 || public key)>                beside it, with .pub at its end

A text that is not understood may be a private key with a mistake in it, so no message repeats one.
"""

import os
import re
from base64 import b64encode
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from asgi_audit.errors import ConfigurationError, MissingDependencyError
from asgi_audit.integrity.note import ED25519, MalformedNote, check_name, from_base64, key_id

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
except ImportError:
    raise MissingDependencyError("signing checkpoints", "signing") from None

__all__ = ["SigningKey", "VerifierKey"]

_PRIVATE: Final = "PRIVATE+KEY+"
_KEY: Final = re.compile(r"([^+]+)\+([0-9a-f]{8})\+(.+)")  # the name has no plus, the base64 may have some
_KEY_BYTES: Final = 32
_LONGEST_FILE: Final = 4096
_HIDDEN: Final = "<not shown>"
_DAMAGED: Final = "its id is not that of its name and key: it was damaged or changed"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a key, with which anybody can verify what `SigningKey` signs; a `Verifier`."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in its text, and before each of its signatures."""
        return key_id(self.name, self.public)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `encode` writes, or raise `ConfigurationError`."""
        if text.startswith(_PRIVATE):
            remedy = "this is the private half, which only the sealer may have: give the public one, in FILE.pub"
            raise ConfigurationError("key", _HIDDEN, remedy)
        name, written, public = _take_apart(text, "public")
        key = cls(name, public)
        if key.key_id != written:
            raise ConfigurationError("key", _HIDDEN, _DAMAGED)
        return key

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read the first line of a file that is not empty, or raise `ConfigurationError`."""
        line = _first_line(path, "give the FILE.pub that `asgi-audit keygen --out FILE` has made")
        try:
            return cls.parse(line)
        except ConfigurationError as error:
            raise ConfigurationError("path", str(path), error.remedy) from None

    def encode(self) -> str:
        """The text to give away."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.public).decode()}"

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Tell whether the key made this signature of this text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return self.encode()


class SigningKey:
    """A key that signs; a `Signer`. Only `encode` and `save` give away what must stay private."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._verifier = VerifierKey(name, private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make a new key, or raise `ConfigurationError` if none can have the name."""
        try:
            return cls(check_name(name), Ed25519PrivateKey.generate())
        except MalformedNote as error:
            raise ConfigurationError("name", name, str(error)) from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `encode` writes, or raise `ConfigurationError`."""
        if not text.startswith(_PRIVATE) and _KEY.fullmatch(text) is not None:
            raise ConfigurationError("key", _HIDDEN, "this is the public half: give the file without .pub")
        name, written, seed = _take_apart(text.removeprefix(_PRIVATE), "private")
        key = cls(name, Ed25519PrivateKey.from_private_bytes(seed))
        if key.key_id != written:
            raise ConfigurationError("key", _HIDDEN, _DAMAGED)
        return key

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read the first line of a file that is not empty, or raise `ConfigurationError`."""
        line = _first_line(path, f"make it with `asgi-audit keygen --out {path}`")
        try:
            return cls.parse(line)
        except ConfigurationError as error:
            raise ConfigurationError("path", str(path), f"holds no signing key: {error.remedy}") from None

    def save(self, path: Path | str) -> None:
        """Write the key to a file that only its owner can read, and the public half to another with .pub at its end.

        Raises `ConfigurationError` if one of them is there already or can't be written; then neither is left.
        """
        with ExitStack() as undo:
            _create(path, 0o600, self.encode(), undo)
            _create(f"{path}.pub", 0o644, self._verifier.encode(), undo)
            undo.pop_all()

    @property
    def name(self) -> str:
        """What stands before its signatures."""
        return self._verifier.name

    @property
    def key_id(self) -> bytes:
        """The four bytes that stand in its text, and before each of its signatures."""
        return self._verifier.key_id

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return self._verifier

    def sign(self, text: bytes) -> bytes:
        """Return the 64 bytes of a signature; always the same ones for a text."""
        return self._private.sign(text)

    def encode(self) -> str:
        """The text that must stay private."""
        seed = b64encode(ED25519 + self._private.private_bytes_raw()).decode()
        return f"{_PRIVATE}{self.name}+{self.key_id.hex()}+{seed}"

    def __repr__(self) -> str:
        return f"SigningKey(name={self.name!r}, key_id={self.key_id.hex()!r})"


def _take_apart(text: str, half: str) -> tuple[str, bytes, bytes]:
    """The name, the id as written, and the 32 bytes of either half."""
    match = _KEY.fullmatch(text)
    raw = None if match is None else from_base64(match[3])
    if match is None or raw is None or not _is_name(match[1]):
        remedy = f"this is no {half} key as `asgi-audit keygen --out FILE` makes one"
        raise ConfigurationError("key", _HIDDEN, remedy)
    if len(raw) != 1 + _KEY_BYTES or raw[:1] != ED25519:
        raise ConfigurationError("key", _HIDDEN, f"this is a {half} key of another kind than Ed25519")
    return match[1], bytes.fromhex(match[2]), raw[1:]


def _is_name(text: str) -> bool:
    try:
        check_name(text)
    except MalformedNote:  # its message repeats the text, so nothing may be raised from here
        return False
    return True


def _first_line(path: Path | str, remedy: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LONGEST_FILE)
    except FileNotFoundError:
        raise ConfigurationError("path", str(path), f"there is no such file: {remedy}") from None
    except OSError as error:
        raise ConfigurationError("path", str(path), f"can't be read: {error.strerror}") from error
    # What is no UTF-8 becomes what no key has: an error of the decoder would carry the content along.
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def _create(path: Path | str, mode: int, text: str, undo: ExitStack) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        undo.callback(Path(path).unlink)
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{text}\n".encode())
            file.flush()
            os.fsync(file.fileno())  # what it signs may be on record before the system writes the file by itself
    except FileExistsError:
        raise ConfigurationError("path", str(path), "is there already, and no key is ever overwritten") from None
    except OSError as error:
        raise ConfigurationError("path", str(path), f"can't be written: {error.strerror}") from error
