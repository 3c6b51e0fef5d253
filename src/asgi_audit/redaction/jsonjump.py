r"""The quick way through JSON: over all that a parser vouches for, from one thing to mask to the next.

Rule 1: grammar is the parser's business. It is stricter than the scanner, so what it accepts is valid; the beginning of
        a text is completed for it. What it refuses, the scanner reads from the start.
Rule 2: with `\\` and `\"` painted over, every quotation mark is the edge of a string, and the odd ones of the parts
        between them are the strings.
Rule 3: of equal parts one is judged, and passed over only if nothing in it could begin an escape, JSON or a secret.
The outcome is, by law, what the scanner alone would make of the text.
"""

import json
import re
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

from asgi_audit.redaction.jsonscan import Replacement, Rules, decoded
from asgi_audit.redaction.pseudonyms import REDACTED
from asgi_audit.redaction.secretforms import MOMENT

_PAINT: Final = "\0\0"  # no valid JSON has it
_CLEAR: Final = rf"""(?!\s*+[\[{{])(?:
      [^\0\n\\%=:\uff1a\uff1d0-9JBb\-]++
      | (?<![\w.\-\[\]%\\$])2{MOMENT}
      | [0-9]++(?<![0-9]{{15}})(?![ -][0-9]{{4,6}}[ -])  # no payment card
      | ://(?![^\s@]*+@)
      | -(?!----BEGIN)
      | J(?<!eyJ)
      | [Bb](?!(?i:earer|asic)\s)
    )*+\n"""
_DOUBTFUL: Final = re.compile(rf"(?:{_CLEAR})*+([^\n]*+)\n?", re.X)
_LONG_NUMBER: Final = re.compile(r"(?<![0-9.eE+-])[0-9]{15,}+(?![.eE+-])")
_COLON: Final = re.compile(r"\s*+:\s*+")
_WORD: Final = re.compile(r"[^\s,\]}]++")
_BRACKETS: Final = re.compile(r"[\[\]{}]")
_MEMBER: Final = {"]": ",0", "}": ',"":0'}
_PARSER: Final = msgspec.json.Decoder(msgspec.Raw)  # checks everything and builds nothing


class Jump(NamedTuple):
    """How far the text is read, the brackets still to close there, and what is to be masked before."""

    end: int
    stack: list[str]
    replacements: list[Replacement]


def find(text: str, rules: Rules, *, cut: bool, nested: int) -> Jump | None:
    """Return how far one can jump; None: not at all."""
    if "\0" in text:
        return None
    painted = text.replace("\\\\", _PAINT).replace('\\"', _PAINT)
    stack: list[str] = []
    if cut:
        painted = _to_last_comma(painted)
        stack = _open_brackets(painted)
    end = len(painted)
    # What comes next is a comma, so that another member must be in order.
    more = [_MEMBER[stack[-1]], *reversed(stack)] if stack else []
    if not _is_valid("".join([text[:end], *more])):
        return None
    replacements = _Parts(text, painted, rules, nested).replacements()
    return None if replacements is None else Jump(end, stack, replacements)


class _Parts:
    """The strings of a valid text, at odd indexes, and what stands between them."""

    def __init__(self, text: str, painted: str, rules: Rules, nested: int) -> None:
        self._text = text
        self._rules = rules
        self._nested = nested
        self._parts = painted.split('"')
        self._starts: list[int] = []

    def replacements(self) -> list[Replacement] | None:
        """Return what is to be changed; None: a denied container goes on behind the end."""
        doubtful = self._doubtful()
        if not doubtful:
            return []
        self._starts = [0, *accumulate(len(part) + 1 for part in self._parts)]
        found: list[Replacement] = []
        masked = 0  # what stands before this is masked already
        for index, part in enumerate(self._parts):
            if part not in doubtful:
                continue
            if index % 2 == 0:
                found += self._numbers(index, masked)
                continue
            if self._starts[index] < masked:
                continue
            name = self._string(index, found)
            if name is not None and self._rules.denies(name):
                value = self._value(index)
                if value is None:
                    return None
                found.append(value)
                masked = value[1]
        return found

    def _doubtful(self) -> set[str]:
        strings, between = self._parts[1::2], self._parts[0::2]
        doubtful = set(_DOUBTFUL.findall("\n".join({*strings, ""}) + "\n"))
        doubtful.discard("")
        doubtful.update(part for part in set(between) if _LONG_NUMBER.search(part))
        names = {part for part, after in zip(strings, between[1:], strict=True) if ":" in after}
        doubtful.update(name for name in names if self._rules.denies(name))
        return doubtful

    def _string(self, index: int, found: list[Replacement]) -> str | None:
        """Note what is to be changed in a string, and return what it says if it is a name."""
        start, stop = self._starts[index] - 1, self._starts[index + 1]
        content = decoded(self._text[start:stop])
        assert content is not None  # the parser has read its escapes
        if content and (clean := self._rules.string(content, nested=self._nested)) != content:
            found.append((start, stop, json.dumps(clean)))
        return content if ":" in self._parts[index + 1] else None

    def _numbers(self, index: int, masked: int) -> list[Replacement]:
        found = []
        for match in _LONG_NUMBER.finditer(self._text, self._starts[index], self._starts[index + 1] - 1):
            if match.start() >= masked and (clean := self._rules.string(match[0], nested=self._nested)) != match[0]:
                found.append((*match.span(), json.dumps(clean)))
        return found

    def _value(self, index: int) -> Replacement | None:
        """Return how the value under a denied name is masked."""
        colon = _COLON.match(self._text, self._starts[index + 1])
        assert colon is not None
        start = colon.end()
        if self._text[start] == '"':
            stop = self._starts[index + 3]
        elif (word := _WORD.match(self._text, start)) is not None and word[0][0] not in "{[":
            stop = word.end()
        else:
            ending = self._closing(index + 1, start)
            return None if ending is None else (start, ending, f'"{REDACTED}"')
        return start, stop, self._rules.scalar(self._text[start:stop])

    def _closing(self, index: int, start: int) -> int | None:
        depth = 0
        for between in range(index, len(self._parts), 2):
            beginning = max(start, self._starts[between])
            for match in _BRACKETS.finditer(self._text, beginning, self._starts[between + 1] - 1):
                depth += 1 if match[0] in "{[" else -1
                if depth == 0:
                    return match.end()
        return None


def _to_last_comma(painted: str) -> str:
    parts = painted.split('"')
    for index in range((len(parts) - 1) // 2 * 2, -1, -2):
        comma = parts[index].rfind(",")
        if comma >= 0:
            return '"'.join([*parts[:index], parts[index][:comma]])
    return ""


def _open_brackets(painted: str) -> list[str]:
    """Return what closes the brackets that are open at the end."""
    stack: list[str] = []
    for mark in _BRACKETS.findall("".join(painted.split('"')[0::2])):
        if mark in "{[":
            stack.append("}" if mark == "{" else "]")
        elif stack:
            stack.pop()
    return stack


def _is_valid(text: str) -> bool:
    try:
        _PARSER.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True
