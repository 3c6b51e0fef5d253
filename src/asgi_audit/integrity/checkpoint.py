"""What a log says about itself: its name, how many leaves it has, and the root over them.

It is the text of a signed note, as C2SP's tlog-checkpoint has it (https://c2sp.org/tlog-checkpoint).
"""

import re
from base64 import b64encode
from typing import Final, NamedTuple, Self

from asgi_audit.integrity.note import MalformedNote, check_text, from_base64, piece

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TOO_LARGE: Final = 2**63  # a database counts leaves in 64 bits, with a sign
_ROOT_BYTES: Final = 32


class Checkpoint(NamedTuple):
    """The head of a Merkle tree (RFC 9162, section 2.1) of `size` leaves; `root` is the 32 bytes of its hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note, or raise `MalformedNote`. Lines that others have added are passed over."""
        lines = check_text(text)[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise MalformedNote(f"a checkpoint has an origin, a size and a root, and no empty line: {piece(text)}")
        origin, size, encoded = lines[:3]
        if _SIZE.fullmatch(size) is None or int(size) >= _TOO_LARGE:
            raise MalformedNote(f"no size of a tree: {piece(size)}")
        root = from_base64(encoded)
        if root is None or len(root) != _ROOT_BYTES:
            raise MalformedNote(f"no root of a tree: {piece(encoded)}")
        return cls(origin, int(size), root)
