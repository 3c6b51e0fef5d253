"""SQL without its literals, and what a statement that is only text changes.

What is not surely a name, a keyword, an operator or a placeholder does not stay. Where dialects disagree on where a
literal ends (a backslash in a string), nothing stays.
"""

import re
from collections.abc import Iterator, Set
from typing import Final, NamedTuple

from asgi_audit.record import Change

WITHHELD: Final = "(withheld)"
ALL_ROWS: Final = "(all rows)"
VALUES: Final = "(values)"
UNKNOWN_TABLE: Final = "(unknown)"

_LITERAL: Final = "?"
_TOKEN: Final = re.compile(
    r"""
      (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | (?P<string>(?:[A-Za-z]{1,2}&?)?'(?:[^']|'')*(?:'|\Z) | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) | \$[A-Za-z_]+\$)
    | (?P<double>"(?:[^"]|"")*(?:"|\Z))
    | (?P<name>`[^`]*` | \[[^\W\d][\w ]*\] | [^\W\d][\w$]*)
    | (?P<place>::\s*[^\W\d]\w* | :[^\W\d]\w* | %\(\w+\)s | %s | \$\d+ | \?)
    | (?P<number>\d[\w.]* | \.\d[\w.]*)
    | (?P<other><>|!=|<=|>=|\|\||->>?|\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_DOUBLE: Final = re.compile(r'"(?:[^"]|"")*"')
_EXPANDING: Final = re.compile(r"__\[POSTCOMPILE_(\w+)\]")
_CHANGING: Final = frozenset({"insert", "update", "delete", "replace", "merge", "truncate", "copy", "load"})
_OF_ROWS: Final = frozenset({"update", "delete", "truncate"})  # of all of them, unless it says which
_CALLING: Final = frozenset({"call", "do", "exec", "execute"})
_MAY_CHANGE: Final = re.compile(rf"(?i)\b(?:{'|'.join(sorted(_CHANGING | _CALLING))})\b")
_BEFORE_TABLE: Final = frozenset(
    {"into", "from", "only", "or", "ignore", "replace", "abort", "fail", "rollback", "table", "quick", "delayed"}
    | {"low_priority", "high_priority", "data", "infile", "local", "overwrite"}
)


class _Token(NamedTuple):
    text: str
    gap: bool  # whether something stood between it and the one before


class Told(NamedTuple):
    """What a statement does, as far as its text tells."""

    operation: str
    type: str
    criteria: str

    def change(self, count: int | None) -> Change:
        """The entry that sums it up, for so many rows."""
        return Change(operation=self.operation, type=self.type, count=count, criteria=self.criteria)


def without_literals(sql: str, names: Set[str] = frozenset()) -> str:
    """The SQL on one line, literals as `?`. A quoted name stays if it is one of `names`: elsewhere it may be a text."""
    tokens = _tokens(_EXPANDING.sub(r":\1", sql), names)
    return WITHHELD if tokens is None else _joined(tokens)


def told(sql: str, names: Set[str] = frozenset()) -> Iterator[Told]:
    """What each of the statements in a text changes; of those that change no rows, nothing. `names`: as above."""
    if not _MAY_CHANGE.search(sql):
        return
    tokens = _tokens(sql, None)
    if tokens is None:
        words = re.findall(r"\w+", sql.lower())
        found = next((word for word in words if word in _CHANGING or word in _CALLING), None)
        if found is not None:
            yield Told(found, UNKNOWN_TABLE, WITHHELD)
        return
    statement: list[_Token] = []
    for part in [*tokens, _Token(";", False)]:
        if part.text != ";":
            statement.append(part)
        else:
            yield from _one(statement, names)
            statement = []


def _one(tokens: list[_Token], names: Set[str]) -> Iterator[Told]:
    words = [token.text.lower() for token in tokens]
    first = next((word for word in words if word != "("), "")
    if first in _CALLING:
        yield Told(first, UNKNOWN_TABLE, _joined(_unquoted(tokens, names)))
        return
    if first == "with" or (first == "explain" and "analyze" in words):
        for at, word in enumerate(words):
            if word in _CHANGING and (first == "explain" or words[at - 1] in {"(", ")"}):
                yield Told(word, _table(tokens[at + 1 :]), _joined(_unquoted(tokens, names)))
    elif first in _CHANGING:
        at = words.index(first)
        criteria = VALUES
        if "where" in words[at:]:
            criteria = _joined(_unquoted(tokens[words.index("where", at) + 1 :], names))
        elif first in _OF_ROWS:
            criteria = ALL_ROWS
        yield Told(first, _table(tokens[at + 1 :]), criteria)


def _table(tokens: list[_Token]) -> str:
    """The name that comes first, with its schema."""
    rest = iter([token.text for token in tokens])
    name = next((token for token in rest if token.lower() not in _BEFORE_TABLE), "")
    if not re.match(r"[^\W\d]|[\"`\[]", name):
        return UNKNOWN_TABLE
    parts = [name.strip('"`[]')]
    for dot, part in zip(rest, rest, strict=False):
        if dot != ".":
            break
        parts.append(part.strip('"`[]'))
    return ".".join(parts)


def _tokens(sql: str, names: Set[str] | None) -> list[_Token] | None:
    """The parts of the SQL, or `None` if they can't be told. Without `names`, quoted ones stay for now."""
    found: list[_Token] = []
    end = 0
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup, match[0]
        if kind == "comment":
            continue
        if kind in {"string", "tag", "double"}:
            if "\\" in text or (kind == "double" and not _DOUBLE.fullmatch(text)):
                return None
            keep = kind == "double" and (names is None or text[1:-1].replace('""', '"') in names)
        else:
            keep = kind != "number"
        found.append(_Token(text if keep else _LITERAL, match.start() > end))
        end = match.end()
    return found


def _unquoted(tokens: list[_Token], names: Set[str]) -> list[_Token]:
    return [
        token._replace(text=_LITERAL) if token.text.startswith('"') and token.text[1:-1] not in names else token
        for token in tokens
    ]


def _joined(tokens: list[_Token]) -> str:
    return "".join(f" {token.text}" if token.gap else token.text for token in tokens).strip()
