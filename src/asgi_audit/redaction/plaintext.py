"""Free text for a record: secrets masked, escaped, and cut without leaving half a secret at the end."""

from typing import Final

from asgi_audit.escape import boundary, cut_mark, escape
from asgi_audit.redaction.secretforms import SecretForms

# How far beyond the cut is read, so that a secret that stands across it is recognised.
_BEYOND: Final = 1024


class PlainText:
    """Cleans free text of secret forms."""

    def __init__(self, forms: SecretForms) -> None:
        self._forms = forms

    def clean(self, text: str | bytes, limit: int | None = None) -> str:
        """Return `text` redacted and escaped; `limit` counts characters of a str, bytes of bytes."""
        if limit is not None and len(text) > limit:
            return self._beginning(text, limit) + cut_mark(len(text))
        decoded = text if isinstance(text, str) else text.decode("utf-8", "surrogateescape")
        if self._forms.harmless(decoded):
            return decoded
        redacted = self._forms.redact(decoded)
        return escape(redacted) if isinstance(text, str) else _escaped(redacted)

    def _beginning(self, text: str | bytes, limit: int) -> str:
        end = limit + _BEYOND
        if isinstance(text, str):
            return escape(self._forms.redact(text[:end], cut=len(text) > end, limit=limit))
        window = text[: boundary(text, end)] if len(text) > end else text
        characters = len(text[: boundary(text, limit)].decode("utf-8", "surrogateescape"))
        decoded = window.decode("utf-8", "surrogateescape")
        return _escaped(self._forms.redact(decoded, cut=len(text) > end, limit=characters))


def _escaped(text: str) -> str:
    return escape(text.encode("utf-8", "surrogateescape"))
