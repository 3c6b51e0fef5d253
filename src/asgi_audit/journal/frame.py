r"""How an entry stands in a file: one line, and nothing wrong in it goes unnoticed.

    crc32 length body "\n"

Both numbers are eight lower-case hex digits. The checksum (CRC-32, ISO 3309) covers everything behind it but the line
break; the length is that of the body, in bytes. A body begins with its type:

    H json                  header: format, writer, lanes, the position of the first record; the first line of a file
    I intent json           what is known of a request that is about to run: the beginnings of a record
    X intent                the request is not to be recorded
    P record intent json    provisional record of a request that still runs
    R seq intent json       record; "-" if it had no intent
    E                       the writer ended in good order, as far as it knew then
    C json                  (in the file of cursors) how far a lane has come

JSON holds no line break, so after damage the next line is a new beginning. Because the length is known, a damaged line
break costs neither of its neighbours.
"""

import struct
from binascii import hexlify
from collections.abc import Iterator
from typing import Final, NamedTuple
from zlib import crc32

_HEAD: Final = 18  # checksum, blank, length, blank
_LINE_BREAK: Final = 0x0A
_NUMBER: Final = struct.Struct(">I")  # in 8 hex digits


HEADER: Final = b"H"
INTENT: Final = b"I"
CANCEL: Final = b"X"
PROVISIONAL: Final = b"P"
RECORD: Final = b"R"
END: Final = b"E"
CURSOR: Final = b"C"
#: In the place of an intent's id.
NO_INTENT: Final = b"-"

# How many words stand before the last one, which may hold blanks.
_WORDS: Final = {HEADER: 1, INTENT: 2, CANCEL: 1, PROVISIONAL: 3, RECORD: 3, CURSOR: 1}


class Entry(NamedTuple):
    """One entry as it was found: its words, of which the first is the type, and where the next one begins."""

    words: list[bytes]
    end: int


class Damage(NamedTuple):
    """Bytes that are no entry. `torn`: the last ones, without a line break, as when a write was cut short."""

    content: bytes
    end: int
    torn: bool


def frame(*words: bytes) -> bytes:
    """The line for an entry of these words, of which only the last may contain blanks."""
    body = b" ".join(words)
    size = hexlify(_NUMBER.pack(len(body))) + b" "
    checksum = hexlify(_NUMBER.pack(crc32(body, crc32(size))))
    return b"".join((checksum, b" ", size, body, b"\n"))


def entries(content: bytes, start: int = 0) -> Iterator[Entry | Damage]:
    """What stands in the content from `start` on, where an entry begins. Zeros at its end were never written."""
    at = start
    size = len(content) if content.endswith(b"\n") else len(content.rstrip(b"\0"))
    while at < size:
        end = _end_of_body(content, at)
        if end is None:
            stop = content.find(b"\n", at, size) + 1
            yield Damage(content[at : stop or size], stop or size, torn=not stop)
            at = stop or size
            continue
        body = content[at + _HEAD : end]
        at = end + 1
        yield Entry(body.split(b" ", _WORDS.get(body[:1], 0)), at)
        if content[end] != _LINE_BREAK:
            yield Damage(content[end:at], at, torn=False)


def _end_of_body(content: bytes, at: int) -> int | None:
    """Where the line break stands, or what has become of it; `None` if no whole entry begins here."""
    try:
        end = at + _HEAD + int(content[at + 9 : at + _HEAD - 1], 16)
    except ValueError:
        return None
    whole = at + _HEAD < end < len(content) and content[at : at + 9] == b"%08x " % crc32(content[at + 9 : end])
    return end if whole else None
