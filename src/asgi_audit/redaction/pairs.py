"""Pairs in free text, `name=value` or `name: "value"`: whether the name is denied, and how far the value goes."""

import re
from typing import Final

from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import MARKS

_NAME_BACKWARDS: Final = re.compile(r"[\w.\-\[\]%\\$\u200b-\u200d\ufeff]*+")
_LONGEST_NAME: Final = 96
_VAGUE: Final = frozenset({"key", "number", "code", "id", "no", "value", "phrase", "word", "is", "was"})
_BEFORE_VALUE: Final = re.compile(r"[\s=:>\uff1a\uff1d]*+(?:[bBuUrRfF]{1,2}(?=[\"']))?")
_QUOTE: Final = re.compile(r"\\*[\"'`]")
_QUOTED: Final = {quote: re.compile(rf"[^{quote}\\]*+(?:\\.[^{quote}\\]*+)*+", re.S) for quote in "\"'`"}
_BRACKET: Final = re.compile(r"[\[\]{}()]")
_LINE: Final = re.compile(r"[^\r\n]*+")
_WORD: Final = re.compile(r"(?:(?i:bearer|basic|digest|token|negotiate)[^\S\n]++)?[^\s&]*+")


def pair(text: str, separator: int, position: int, names: DeniedNames) -> tuple[int, int] | None:
    """Return where the value stands of the pair whose separator is there, if its name is denied."""
    head = text[max(0, separator - _LONGEST_NAME) : separator].rstrip(" \t\"'`\\)")
    # The name is what stands last; looking at it backwards keeps the search linear.
    reach = _NAME_BACKWARDS.match(head[::-1])
    assert reach is not None  # it matches nothing, too
    if not reach[0]:
        return None
    name = reach[0][::-1]
    if not names.denies(name):
        words = head.split()
        if name.lower() not in _VAGUE or not names.denies(name := " ".join(words[-3:])):
            return None
    start, stop = _value(text, position, name.lower())
    if start == stop or MARKS.fullmatch(text, start, stop):
        return None
    return start, stop


def _value(text: str, position: int, name: str) -> tuple[int, int]:
    """Return where the value begins and ends that follows a separator."""
    before = _BEFORE_VALUE.match(text, position)
    assert before is not None
    start = before.end()
    if (quote := _QUOTE.match(text, start)) is not None:
        opened = quote.end()
        if len(quote[0]) > 1:  # quoted inside a quoted text
            stop = text.find(quote[0], opened)
            return opened, stop if stop >= 0 else len(text)
        quoted = _QUOTED[quote[0]].match(text, opened)
        assert quoted is not None
        return opened, quoted.end()
    if (mark := MARKS.match(text, start)) is not None:
        return start, mark.end()
    if text[start : start + 1] in ("{", "[", "("):
        return start, _balanced(text, start)
    rest = _LINE if "authorization" in name or "cookie" in name else _WORD
    value = rest.match(text, start)
    assert value is not None
    return start, value.end()


def _balanced(text: str, start: int) -> int:
    depth = 0
    for match in _BRACKET.finditer(text, start):
        depth += 1 if match[0] in "[{(" else -1
        if depth == 0:
            return match.end()
    return len(text)
