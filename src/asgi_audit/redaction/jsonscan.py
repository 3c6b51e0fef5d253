"""JSON read as text, token by token.

A token scanner with its own stack instead of a parser, so that duplicate keys, `NaN`, `1e400`, 100,000 levels and the
cut beginning of a document all survive. Several documents in a row are one text (JSON Lines, RFC 7464).
"""

import json
import re
from typing import Final, NamedTuple, Protocol, TypeAlias

from asgi_audit.redaction.pseudonyms import REDACTED
from asgi_audit.redaction.secretforms import SHORTEST_CARD

_TOKEN: Final = re.compile(
    r"""[ \t\r\n\x1e\ufeff]*+(?:
    (?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")
    | (?P<mark>[{}\[\]:,])
    | (?P<word>-?\d[0-9.eE+-]*+|true\b|false\b|null\b|NaN\b|-?Infinity\b)
    | (?P<end>\Z)
    | (?P<half>"[^"\\]*+(?:\\.[^"\\]*+)*+\\?\Z|-?[A-Za-z]{0,8}\Z)
    )""",
    re.X | re.S,
)
_HALF_ESCAPE: Final = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?\Z")

# What may come next.
_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _AFTER = range(6)


Replacement: TypeAlias = tuple[int, int, str]  # from where to where, and what comes there


class Redacted(NamedTuple):
    """A redacted text, and whether all of it could be read; if not, the text ends where the reading did."""

    text: str
    whole: bool


class Rules(Protocol):
    """What is to be masked."""

    def denies(self, name: str) -> bool:
        """Whether the value under this key is masked."""
        ...

    def scalar(self, literal: str) -> str:
        """The mask of a denied string or number, as a JSON string."""
        ...

    def string(self, text: str, *, cut: bool = False, nested: int = 0) -> str:
        """A decoded string with its secret forms masked."""
        ...


class Scan:
    """One text being read, up to its first error; `cut` says that it is the beginning of a longer one."""

    def __init__(self, rules: Rules, text: str, cut: bool, nested: int) -> None:
        self._rules = rules
        self._text = text
        self._cut = cut
        self._nested = nested
        self._out: list[str] = []
        self._kept = 0  # the text before this index is in `out`, redacted
        self._position = 0
        self._stack: list[str] = []
        self._state = _VALUE
        self._denied = False  # the value that comes next stands under a denied name
        self._muted: tuple[int, int] | None = None  # where a denied container begins, and its depth

    def jump(self, to: int, stack: list[str], replacements: list[Replacement]) -> None:
        """Begin behind a value, with these closing brackets to come, and with this masked in what was jumped over."""
        for start, stop, text in replacements:
            self._replace(start, stop, text)
        self._position = to
        self._stack = stack
        self._after()

    def run(self) -> Redacted:
        """Read on to the end, or to the first error."""
        position = self._position
        while (match := _TOKEN.match(self._text, position)) is not None:
            kind = match.lastgroup
            start, position = match.span(kind or "end")
            if kind == "end":
                return self._finished(len(self._text))
            if kind == "half":
                return self._half(start)
            taken = self._mark(start) if kind == "mark" else self._scalar(start, position, kind == "string")
            if not taken:
                return self._failed(start)
        return self._failed(position)

    def _mark(self, at: int) -> bool:
        mark = self._text[at]
        if mark in "{[" and self._state in (_VALUE, _FIRST_VALUE):
            if self._denied and self._muted is None:
                self._muted = at, len(self._stack)
            self._denied = False
            self._stack.append("}" if mark == "{" else "]")
            self._state = _FIRST_KEY if mark == "{" else _FIRST_VALUE
            return True
        if mark == ":" and self._state == _COLON:
            self._state = _VALUE
            return True
        if mark == "," and self._state == _AFTER and self._stack:
            self._state = _KEY if self._stack[-1] == "}" else _VALUE
            return True
        opener = {"}": _FIRST_KEY, "]": _FIRST_VALUE}.get(mark)
        if self._stack and mark == self._stack[-1] and self._state in (_AFTER, opener):
            self._stack.pop()
            if self._muted is not None and self._muted[1] == len(self._stack):
                self._replace(self._muted[0], at + 1, f'"{REDACTED}"')
                self._muted = None
            self._after()
            return True
        return False

    def _scalar(self, start: int, stop: int, string: bool) -> bool:
        literal = self._text[start:stop]
        if string and self._state in (_KEY, _FIRST_KEY):
            name = decoded(literal)
            if name is None:
                return False
            self._denied = self._rules.denies(name)
            self._state = _COLON
            self._content(start, stop, name)
            return True
        if self._state not in (_VALUE, _FIRST_VALUE):
            return False
        if string:
            content = decoded(literal)
            if content is None:
                return False
        else:
            content = literal if len(literal) >= SHORTEST_CARD and literal.isdigit() else ""
        if self._denied:
            if self._muted is None:
                # The pseudonym of half a number would be nobody's.
                half = self._cut and not string and stop == len(self._text)
                self._replace(start, stop, f'"{REDACTED}"' if half else self._rules.scalar(literal))
            self._denied = False
        else:
            self._content(start, stop, content)
        self._after()
        return True

    def _content(self, start: int, stop: int, content: str) -> None:
        if self._muted is None and content:
            clean = self._rules.string(content, nested=self._nested)
            if clean != content:
                self._replace(start, stop, json.dumps(clean))

    def _half(self, start: int) -> Redacted:
        """The text ends inside a token: as it must when it is cut, else that is an error."""
        expected = (_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY) if self._text[start] == '"' else (_VALUE, _FIRST_VALUE)
        if not self._cut or self._state not in expected:
            return self._failed(start)
        if self._muted is not None:
            return self._finished(start)
        if self._denied:
            self._replace(start, len(self._text), f'"{REDACTED}"')
            return self._finished(len(self._text))
        content = _decoded_half(self._text[start:])
        if content is None:
            return self._failed(start)
        clean = self._rules.string(content, cut=True, nested=self._nested)
        if clean != content:
            self._replace(start, len(self._text), json.dumps(clean)[:-1])
        return self._finished(len(self._text))

    def _after(self) -> None:
        self._state = _AFTER if self._stack else _VALUE

    def _replace(self, start: int, stop: int, text: str) -> None:
        self._out += [self._text[self._kept : start], text]
        self._kept = stop

    def _failed(self, at: int) -> Redacted:
        return Redacted(self._finished(at).text, False)

    def _finished(self, at: int) -> Redacted:
        if self._muted is not None:
            self._replace(self._muted[0], at, f'"{REDACTED}"')
        return Redacted("".join([*self._out, self._text[self._kept : at]]), True)


def decoded(literal: str) -> str | None:
    """Return what a string literal says, or a number itself; None: its escapes are none."""
    if "\\" not in literal:
        return literal.strip('"')
    try:
        decoded: str = json.loads(literal, strict=False)
    except ValueError:
        return None
    return decoded


def _decoded_half(half: str) -> str | None:
    """Return what a string without its end says, without an escape that may be half."""
    content = decoded(half + '"')
    return decoded(_HALF_ESCAPE.sub("", half) + '"') if content is None else content
