"""The text of a body, redacted as its media type demands, or the reason why there is none."""

import codecs
import json
from typing import Final, NamedTuple

from asgi_audit.escape import escape
from asgi_audit.redaction.jsontext import JSONText
from asgi_audit.redaction.mediatype import MediaType
from asgi_audit.redaction.urlencoded import URLEncoded

FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
UNSUPPORTED: Final = "unsupported type"
CHARSET: Final = "unsupported charset"

# Only what cannot hide a quotation mark or a brace from the scanner; UTF-7 and the ISO 2022 family can.
_CHARSETS: Final = frozenset(
    {"utf-8", "ascii", "iso8859-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
)
_UTF8: Final = frozenset({"utf-8", "ascii"})


class BodyText(NamedTuple):
    """A body's text (escaped), the reason why it or its end is missing, or both."""

    text: str | None
    dropped: str | None = None


class Bodies:
    """Redacts the captured beginnings of bodies."""

    def __init__(self, json_text: JSONText, form: URLEncoded) -> None:
        self._json = json_text
        self._form = form

    def redact(self, raw: bytes, kind: MediaType, *, cut: bool) -> BodyText:
        """Return the text of the body that begins with `raw`; `cut` says that it goes on."""
        if not (kind.is_json or kind.value in (FORM, "text/plain")):
            return BodyText(None, UNSUPPORTED)
        charset = _charset(raw, kind)
        if charset is None or (kind.value == FORM and charset not in _UTF8):
            return BodyText(None, CHARSET)
        text = _decode(raw, charset, cut)
        if text is None:
            return BodyText(None, "not in its charset")
        if kind.is_json:
            redacted = self._json.redact(text, cut=cut)
            return BodyText(_escape(redacted.text), None if redacted.whole else "malformed JSON")
        if kind.value == FORM:
            return BodyText(_escape(self._form.redact(text, cut=cut)))
        visible = text.replace("\0", "")
        if visible != text and self._json.string(visible, cut=cut) != visible:
            return BodyText(None, CHARSET)  # UTF-16 in disguise, or a NUL in the middle of a name
        return BodyText(_escape(self._json.string(text, cut=cut)))


def _escape(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"))


def _charset(raw: bytes, kind: MediaType) -> str | None:
    """Return the codec to read the body with; None: not one that we read."""
    # What a byte order mark or the NULs of UTF-16 say is what a JSON parser goes by, whatever was declared.
    detected = json.detect_encoding(raw).removesuffix("-sig") if kind.is_json else "utf-8"
    declared = kind.all("charset")
    if detected != "utf-8" or not declared:
        return detected
    try:
        names = {codecs.lookup(name).name for name in declared}
    except (LookupError, ValueError):
        return None
    return names.pop() if len(names) == 1 and names <= _CHARSETS else None


def _decode(raw: bytes, charset: str, cut: bool) -> str | None:
    name, errors = ("utf-8", "surrogateescape") if charset in _UTF8 else (charset, "strict")
    try:
        # An incremental decoder leaves out the half character that a cut may leave at the end.
        return codecs.getincrementaldecoder(name)(errors).decode(raw, not cut)
    except UnicodeDecodeError:
        return None
