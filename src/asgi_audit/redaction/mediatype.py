"""Header values with parameters: `Content-Type` (RFC 9110, 8.3.1) and `Content-Disposition` (RFC 6266, RFC 7578)."""

import re
from typing import Final, NamedTuple

_PARAMETER: Final = re.compile(r';[ \t]*+([^\s=;"]++)[ \t]*+=[ \t]*+(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([^;]*+))', re.S)
_QUOTED: Final = re.compile(r'\\(["\\])')  # browsers leave other backslashes alone
_LONGEST: Final = 8192


class MediaType(NamedTuple):
    """The value in lower case, and every parameter in order: repeated ones matter, since parsers disagree on them."""

    value: str
    parameters: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """Return every value that the parameter has."""
        return [value for key, value in self.parameters if key == name]

    @property
    def is_json(self) -> bool:
        """Whether this is JSON, JSON Lines, a JSON text sequence, or built on JSON (RFC 6839)."""
        return self.value in _JSON or self.value.endswith(("+json", "+json-seq"))


_JSON: Final = frozenset(
    {
        "application/json",
        "application/json-seq",
        "application/jsonl",
        "application/jsonlines",
        "application/ndjson",
        "application/x-json",
        "application/x-jsonlines",
        "application/x-ndjson",
        "text/json",
        "text/x-json",
    }
)


def parse(header: bytes | str) -> MediaType:
    """Return what a header value says, as far as it can be read; bytes that are not UTF-8 become surrogates."""
    text = header.decode("utf-8", "surrogateescape") if isinstance(header, bytes) else header
    text = text[:_LONGEST]
    value, _, _ = text.partition(";")
    parameters = []
    for match in _PARAMETER.finditer(text, len(value)):
        key, quoted, token = match.groups()
        parameters.append((key.lower(), token.strip() if quoted is None else _QUOTED.sub(r"\1", quoted)))
    return MediaType(value.strip().lower(), parameters)
