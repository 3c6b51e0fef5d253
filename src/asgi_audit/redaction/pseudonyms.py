"""What stands in the place of a secret: a plain mark, or a keyed pseudonym."""

import hmac
import re
from collections.abc import Callable
from typing import Final

from asgi_audit.errors import ConfigurationError

REDACTED: Final = "[redacted]"
MARKS: Final = re.compile(r"\[(?:redacted|hmac:[A-Za-z0-9._-]{1,64}:[0-9a-f]{64})\]")

# Given the secret (a str counts as its UTF-8), returns what is recorded instead of it.
Mask = Callable[[str | bytes], str]

_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHORTEST_KEY: Final = 16


class Pseudonyms:
    """Keyed pseudonyms (HMAC-SHA256): equal secrets get equal marks, and only the key's holder can try a candidate.

    `key_id` stands in every mark, so that keys can be rotated. With `bodies=True` each captured body gets a digest
    of its whole content too, which costs a hash of every byte that passes.
    """

    def __init__(self, key: bytes, key_id: str, *, bodies: bool = False) -> None:
        if type(key) is not bytes or len(key) < _SHORTEST_KEY:
            # The key itself must not stand in an error message.
            raise ConfigurationError(
                "key", f"<{len(key)} long, {type(key).__name__}>", f"pass at least {_SHORTEST_KEY} random bytes"
            )
        if _KEY_ID.fullmatch(key_id) is None:
            raise ConfigurationError("key_id", key_id, "use 1 to 64 of A-Z, a-z, 0-9, dot, underscore, hyphen")
        self.key_id = key_id
        self.bodies = bodies
        self._value = hmac.new(key, b"asgi-audit/1 value\n", "sha256")
        self._body = hmac.new(key, b"asgi-audit/1 body\n", "sha256")

    def value(self, secret: str | bytes) -> str:
        """Return the mark for a secret value."""
        state = self._value.copy()
        state.update(secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret)
        return self.mark(state)

    def body(self) -> hmac.HMAC:
        """Return a digest to feed a body to; `mark` makes its value."""
        return self._body.copy()

    def mark(self, state: hmac.HMAC) -> str:
        """Return what stands in a record for a finished digest."""
        return f"[hmac:{self.key_id}:{state.hexdigest()}]"

    def __repr__(self) -> str:
        return f"Pseudonyms(key_id={self.key_id!r}, bodies={self.bodies})"


def redacted(_secret: str | bytes, /) -> str:
    """The mask without pseudonyms: it says nothing about the secret."""
    return REDACTED
