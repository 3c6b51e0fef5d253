"""A MAC in each record, which catches what was forged before it was sealed.

One secret, known to the writers and to whoever verifies; each writer's key is derived from it by HKDF-SHA256
(RFC 5869), with no salt and the info `asgi-audit/1 mac <writer>`. The MAC is HMAC-SHA256 of the core as it is without
its member `mac`, whose value is a key id, a colon, and the MAC in hex digits.
"""

import hmac
import re
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from asgi_audit.errors import ConfigurationError

_SHORTEST: Final = 32  # bytes
_WRITERS: Final = 256  # whose keys are kept
# `mac` never comes first, for `action` is always there; quotes inside of texts are escaped.
_MEMBER: Final = re.compile(rb',"mac":"([^"\\]*)"')


def hkdf(secret: bytes, info: bytes, salt: bytes = b"") -> bytes:
    """The first 32 bytes of HKDF-SHA256 (RFC 5869, section 2)."""
    extracted = hmac.digest(salt or bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


class MacKey:
    """The secret, of at least 32 random bytes. Thread-safe."""

    def __init__(self, secret: bytes) -> None:
        if type(secret) is not bytes or len(secret) < _SHORTEST:
            # The secret itself must not stand in an error message.
            raise ConfigurationError(
                "mac", f"<{type(secret).__name__}>", f"give a secret of at least {_SHORTEST} random bytes"
            )
        self.id = hkdf(secret, b"asgi-audit/1 mac id")[:4].hex()
        self._of = lru_cache(_WRITERS)(lambda writer: hkdf(secret, b"asgi-audit/1 mac " + writer.encode()))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The secret that a file holds; white space around it does not count."""
        try:
            secret = Path(path).read_bytes().strip()
        except OSError as error:
            raise ConfigurationError("mac", str(path), f"it can't be read: {error.strerror}") from None
        if len(secret) < _SHORTEST:
            raise ConfigurationError("mac", str(path), "the secret is too short: openssl rand -hex 32 > FILE")
        return cls(secret)

    def mac(self, writer: str, core: bytes) -> str:
        """The value of the member `mac`, for a core that has none yet."""
        return f"{self.id}:{hmac.digest(self._of(writer), core, 'sha256').hex()}"

    def holds(self, writer: str, core: bytes) -> bool:
        """Whether a core has a MAC of this secret, and it is right."""
        member = _MEMBER.search(core)
        if member is None:
            return False
        bare = core[: member.start()] + core[member.end() :]
        return hmac.compare_digest(member[1], self.mac(writer, bare).encode())

    def __repr__(self) -> str:
        return f"MacKey(id={self.id!r})"
