"""Path patterns: `/users/*`, `/users/{id}`, `/files/*.pdf`, `/payments/**`.

`*` stands for any run of characters within a segment, `{name}` for one whole segment, `{name:path}` and `**` for any
number of segments, none included. A pattern matches the whole path. The regular expressions take time linear in the
path, however many `**` there are: between two of them the leftmost match is as good as any, so it is kept (an atomic
group).
"""

import re

from asgi_audit.errors import ConfigurationError

_ANYTHING = r"(?s:/.*)?"
_SKIP = r"(?:/[^/]*)*?"
_PARAMETER = re.compile(r"\{\w+(?::(\w+))?\}")


def path_regex(pattern: str) -> str:
    """The pattern as a regular expression without capturing groups, to be matched against a whole path.

    Raises `ConfigurationError` with the pattern and what to write instead.
    """
    if not str(pattern).startswith("/"):
        raise ConfigurationError("paths", pattern, 'a path pattern begins with "/", as in "/users/*"')
    if "?" in pattern or "#" in pattern:
        raise ConfigurationError("paths", pattern, "patterns match the path alone; leave out the query")
    chunks: list[list[str]] = [[]]
    for segment in pattern[1:].split("/"):
        if segment == "**" or _is_path_parameter(segment):
            chunks.append([])
        else:
            chunks[-1].append("/" + _segment_regex(segment, pattern))
    first, *middle = ("".join(chunk) for chunk in chunks)
    if not middle:
        return first
    last = middle.pop()
    committed = "".join(f"(?>{_SKIP}{chunk}(?=/|\\Z))" for chunk in middle if chunk)
    return first + committed + (_SKIP + last if last else _ANYTHING)


def _is_path_parameter(segment: str) -> bool:
    match = _PARAMETER.fullmatch(segment)
    return match is not None and match[1] == "path"


def _segment_regex(segment: str, pattern: str) -> str:
    if _PARAMETER.fullmatch(segment):
        return "[^/]+"
    if segment == "*":
        return "[^/]+"
    if "**" in segment:
        raise ConfigurationError("paths", pattern, '"**" must be a whole segment, as in "/files/**"')
    if "{" in segment or "}" in segment:
        raise ConfigurationError("paths", pattern, 'a parameter must be a whole segment, as in "/users/{id}"')
    return "[^/]*".join(map(re.escape, segment.split("*")))
