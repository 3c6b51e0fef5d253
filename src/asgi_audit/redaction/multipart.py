"""Multipart bodies (RFC 2046, RFC 7578) read as they pass: sizes are counted, only the text of fields is kept."""

import re
from dataclasses import dataclass, field
from typing import Final

from asgi_audit.redaction import mediatype
from asgi_audit.redaction.mediatype import MediaType

_LONGEST_HEADERS: Final = 8192
_LONGEST_BOUNDARY: Final = 200  # RFC 2046 says 70; real clients have sent more
_MOST_PARTS: Final = 100
_LINE_END: Final = re.compile(rb"[ \t]{0,64}\r\n")
_PADDING: Final = re.compile(rb"-?|[ \t]{0,64}\r?")

_PREAMBLE, _HEADERS, _CONTENT, _DONE = range(4)


@dataclass(slots=True)
class ScannedPart:
    """One part: what its headers say, how long its content is, and its beginning if it is a plain field."""

    disposition: MediaType
    type: MediaType | None
    keeps: bool
    size: int = 0
    content: bytearray = field(default_factory=bytearray)

    @property
    def names(self) -> list[str]:
        """Every name the part goes by."""
        return self.disposition.all("name") + self.disposition.all("name*")

    @property
    def filenames(self) -> list[str]:
        """Every file name the part goes by; a part that has one is a file."""
        return self.disposition.all("filename") + self.disposition.all("filename*")


class MultipartScanner:
    """Finds the parts of a body that arrives in chunks. Of the chunks only what may be half a delimiter is kept.

    `limit` bounds the field content kept, over all parts. `more` counts the parts after the hundredth.
    `malformed` says that the body broke the format, and that what came after was not read.
    """

    def __init__(self, boundary: str, limit: int) -> None:
        self.parts: list[ScannedPart] = []
        self.more = 0
        self.malformed = not 0 < len(boundary) <= _LONGEST_BOUNDARY
        self._delimiter = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        self._room = limit
        self._part: ScannedPart | None = None
        self._state = _DONE if self.malformed else _PREAMBLE
        self._tail = b"\r\n"  # so that a delimiter at the very beginning is one, too

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter was seen."""
        return self._state == _DONE and not self.malformed

    def feed(self, chunk: bytes) -> None:
        """Read the next chunk."""
        if self._state == _DONE:
            return
        data = self._tail + chunk
        position = 0
        while self._state != _DONE:
            step = self._headers(data, position) if self._state == _HEADERS else self._content(data, position)
            if step is None:
                break
            position = step
        else:
            self._tail = b""

    def _headers(self, data: bytes, position: int) -> int | None:
        # The block begins with the line end of the delimiter, so a part without headers has one, too.
        end = data.find(b"\r\n\r\n", position)
        if end < 0 and len(data) - position <= _LONGEST_HEADERS:
            self._tail = data[position:]
            return None
        if end < 0 or end - position > _LONGEST_HEADERS:
            self.malformed = True
            self._state = _DONE
            return position
        self._begin(data[position:end])
        self._state = _CONTENT
        return end + 4

    def _begin(self, block: bytes) -> None:
        if len(self.parts) == _MOST_PARTS:
            self.more += 1
            self._part = None
            return
        values: dict[bytes, bytes] = {}
        encoded = False
        for line in block.split(b"\r\n"):
            name, _, value = line.partition(b":")
            key = name.strip().lower()
            # Of a repeated header, all values count: parsers disagree on which one to take.
            values[key] = values[key] + b";" + value if key in values else value
            encoded = encoded or key == b"content-transfer-encoding"
        kind = values.get(b"content-type")
        part = ScannedPart(
            mediatype.parse(values.get(b"content-disposition", b"")),
            None if kind is None else mediatype.parse(kind),
            False,
        )
        part.keeps = bool(part.names) and not part.filenames and not encoded
        self.parts.append(part)
        self._part = part

    def _content(self, data: bytes, position: int) -> int | None:
        found = data.find(self._delimiter, position)
        if found < 0:
            end = max(position, len(data) - len(self._delimiter) + 1)
            self._take(data[position:end])
            self._tail = data[end:]
            return None
        self._take(data[position:found])
        after = found + len(self._delimiter)
        if data[after : after + 2] == b"--":
            self._state = _DONE
            return after
        if (line_end := _LINE_END.match(data, after)) is not None:
            self._state = _HEADERS
            return line_end.end() - 2
        if _PADDING.fullmatch(data, after) is not None:
            self._tail = data[found:]
            return None
        self._take(self._delimiter)  # no delimiter: a line of content that begins as one
        return after

    def _take(self, content: bytes) -> None:
        part = self._part
        if part is None:
            return
        part.size += len(content)
        if part.keeps and self._room > 0:
            kept = content[: self._room]
            part.content += kept
            self._room -= len(kept)

    def ambiguous(self, part: ScannedPart) -> bool:
        """Return whether another parser might see more parts in this one's content."""
        return self._delimiter[2:] in part.content
