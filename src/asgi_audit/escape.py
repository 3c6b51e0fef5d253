r"""One injective escape for hostile text.

Rule 1: valid UTF-8 stays as it is.
Rule 2: a backslash is doubled, so every single backslash in escaped text was written here.
Rule 3: C0 controls, DEL and bytes that are not UTF-8 become `\xHH`; C1 controls, bidirectional controls,
        line and paragraph separators and lone surrogates become `\uHHHH`.
Rule 4: what is longer than its limit ends in `\[cut N]`, N being the length of the whole. By rule 2 nobody can
        send such a mark.
"""

import re
from typing import Final

_UNSAFE: Final = re.compile("[\x00-\x1f\\\\\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPED: Final = re.compile(r"\\(?:(\\)|x([0-9A-F]{2})|u([0-9A-F]{4}))")
_CUT: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\\[cut ([0-9]+)\]\Z")


def escape(text: str | bytes, limit: int | None = None) -> str:
    """Return `text` as one printable line that encodes to UTF-8 and from which it can be recovered.

    `limit` counts what comes in: characters of a str, bytes of bytes.
    """
    if isinstance(text, str):
        if limit is not None and len(text) > limit:
            return escape(text[:limit]) + cut_mark(len(text))
        if text.isascii() and text.isprintable() and "\\" not in text:
            return text
        return _UNSAFE.sub(_of_character, text)
    if limit is not None and len(text) > limit:
        return escape(text[: boundary(text, limit)]) + cut_mark(len(text))
    decoded = text.decode("utf-8", "surrogateescape")
    if decoded.isascii() and decoded.isprintable() and "\\" not in decoded:
        return decoded
    return _UNSAFE.sub(_of_byte, decoded)


def unescape(text: str) -> bytes:
    """Return the bytes that `escape` was given; those of a str are its UTF-8, lone surrogates passed through.

    Raises ValueError for text that `escape` did not make, or that it cut (see `split_cut`).
    """
    out = bytearray()
    end = 0
    for match in _ESCAPED.finditer(text):
        out += _literal(text[end : match.start()])
        end = match.end()
        backslash, byte, character = match.groups()
        if backslash:
            out += b"\\"
        elif byte:
            out.append(int(byte, 16))
        else:
            out += chr(int(character, 16)).encode("utf-8", "surrogatepass")
    out += _literal(text[end:])
    return bytes(out)


def split_cut(text: str) -> tuple[str, int | None]:
    """Return the escaped text without its cut mark, and the length the mark declares (None: nothing was cut)."""
    match = _CUT.search(text)
    if match is None:
        return text, None
    return text[: match.end(1)], int(match[2])


def cut_mark(length: int) -> str:
    """Return the mark that stands for the missing rest of something `length` long."""
    return f"\\[cut {length}]"


def boundary(raw: bytes, limit: int) -> int:
    """Return the largest index up to `limit` that does not split a valid UTF-8 sequence of `raw`."""
    for lead in range(limit - 1, max(limit - 4, -1), -1):
        byte = raw[lead]
        if byte & 0xC0 == 0x80:
            continue
        length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if byte >= 0xC0 and lead + length > limit and _is_utf8(raw[lead : lead + length]):
            return lead
        break
    return limit


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _literal(text: str) -> bytes:
    if "\\" in text:
        raise ValueError("not escaped text: a backslash that begins no escape")
    return text.encode()


def _of_character(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0x5C:
        return "\\\\"
    return f"\\x{code:02X}" if code < 0x80 else f"\\u{code:04X}"


def _of_byte(match: re.Match[str]) -> str:
    code = ord(match[0])
    # Python stands a byte that is not UTF-8 for a surrogate, U+DC00 above its value.
    return f"\\x{code - 0xDC00:02X}" if code >= 0xDC80 else _of_character(match)
