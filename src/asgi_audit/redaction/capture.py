"""One body on its way past: its length, as much of it as may be kept, and what becomes of that at the end."""

from typing import Final

import msgspec

from asgi_audit.escape import escape
from asgi_audit.record import Body, Part
from asgi_audit.redaction import mediatype
from asgi_audit.redaction.bodies import MULTIPART, UNSUPPORTED, Bodies
from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.mediatype import MediaType
from asgi_audit.redaction.multipart import MultipartScanner, ScannedPart
from asgi_audit.redaction.plaintext import PlainText
from asgi_audit.redaction.pseudonyms import REDACTED, Mask, Pseudonyms

_LONGEST_TYPE: Final = 128
_LONGEST_NAME: Final = 256
_NOT_ENCODED: Final = frozenset({b"", b"identity"})


class BodyRedactor:
    """What every capture of one `Redactor` shares."""

    def __init__(
        self,
        bodies: Bodies,
        names: DeniedNames,
        plain: PlainText,
        mask: Mask,
        pseudonyms: Pseudonyms | None,
        limit: int,
    ) -> None:
        self._bodies = bodies
        self._names = names
        self._plain = plain
        self._mask = mask
        self.digests = pseudonyms if pseudonyms is not None and pseudonyms.bodies else None
        self.limit = limit

    def body(self, raw: bytes, kind: MediaType | None, size: int, encoded: bool) -> Body:
        """Return the record's form of a body of `size` bytes that begins with `raw`."""
        type_ = name_of(kind)
        if not size:
            return Body(size=0, type=type_)
        if encoded or kind is None:
            return Body(size=size, type=type_, dropped="encoded" if encoded else UNSUPPORTED)
        cut = size > len(raw)
        text, dropped = self._bodies.redact(raw, kind, cut=cut)
        return Body(size=size, type=type_, text=text, dropped=dropped, cut=text is not None and (cut or bool(dropped)))

    def parts(self, scanner: MultipartScanner, kind: MediaType, size: int) -> Body:
        """Return the record's form of a multipart body."""
        parts = [self._part(part, scanner) for part in scanner.parts]
        return Body(
            size=size,
            type=name_of(kind),
            parts=parts or None,
            cut=bool(scanner.more) or any(len(p.content) < p.size for p in scanner.parts if p.keeps),
            dropped=None if scanner.complete or not size else "malformed multipart",
        )

    def _part(self, part: ScannedPart, scanner: MultipartScanner) -> Part:
        names = part.names
        filenames = part.filenames
        return Part(
            name=self._label(names[0]) if names else "",
            filename=self._label(filenames[0]) if filenames else None,
            type=name_of(part.type),
            size=part.size,
            text=None if not part.keeps or scanner.ambiguous(part) else self._field(part),
        )

    def _field(self, part: ScannedPart) -> str | None:
        raw = bytes(part.content)
        cut = len(raw) < part.size
        # Parsers disagree on which of two names counts, so one denied name is enough.
        if any(self._names.denies(name) for name in part.names):
            return REDACTED if cut else self._mask(raw)
        kind = part.type or mediatype.parse("text/plain")
        return self._bodies.redact(raw, kind, cut=cut).text

    def _label(self, text: str) -> str:
        return self._plain.clean(text.encode("utf-8", "surrogateescape"), _LONGEST_NAME)


class Capture:
    """Takes one body chunk by chunk: `feed` each, then `finish` once.

    At most the redactor's `body_limit` is kept; beyond it a chunk only costs counting it. A multipart body is read as
    it passes, so that the sizes of its files are known.
    """

    __slots__ = ("_digest", "_encoded", "_kept", "_kind", "_redactor", "_room", "_scanner", "_size")

    def __init__(self, redactor: BodyRedactor, content_type: bytes | str | None, encoding: bytes | str | None) -> None:
        self._redactor = redactor
        self._kind = mediatype.parse(content_type) if content_type else None
        self._encoded = _bytes(encoding or b"").strip().lower() not in _NOT_ENCODED
        self._size = 0
        self._kept = bytearray()
        self._room = redactor.limit
        self._scanner: MultipartScanner | None = None
        self._digest = None if redactor.digests is None else redactor.digests.body()
        if self._kind is not None and self._kind.value == MULTIPART and not self._encoded:
            boundaries = self._kind.all("boundary")
            # With two boundaries the application's parser may see parts that we do not.
            self._scanner = MultipartScanner(boundaries[0] if len(boundaries) == 1 else "", redactor.limit)
            self._room = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk. Anything but bytes is ignored: the server will complain about it."""
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            return
        length = len(chunk)
        self._size += length
        if self._digest is not None:
            self._digest.update(chunk)
        if self._room > 0:
            self._kept += chunk[: self._room]
            self._room -= length
        elif self._scanner is not None:
            self._scanner.feed(bytes(chunk))

    def finish(self) -> Body:
        """Return what may be recorded of the body. Never raises; what cannot be redacted is dropped."""
        try:
            body = self._body()
        except Exception:  # noqa: BLE001 - fail closed, and let no request pay for it
            body = Body(size=self._size, dropped="redaction failed")
        return body

    def _body(self) -> Body:
        if self._scanner is not None and self._kind is not None:
            body = self._redactor.parts(self._scanner, self._kind, self._size)
        else:
            body = self._redactor.body(bytes(self._kept), self._kind, self._size, self._encoded)
        if self._digest is None or self._redactor.digests is None:
            return body
        return msgspec.structs.replace(body, digest=self._redactor.digests.mark(self._digest))


def name_of(kind: MediaType | None) -> str | None:
    """Return a media type's name for the record."""
    if kind is None or not kind.value:
        return None
    return escape(kind.value.encode("utf-8", "surrogateescape"), _LONGEST_TYPE)


def _bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
