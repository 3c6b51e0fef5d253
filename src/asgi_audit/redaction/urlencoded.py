"""Queries and HTML forms redacted as text: what is not secret keeps its exact bytes."""

from urllib.parse import unquote_to_bytes

from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import REDACTED, Mask
from asgi_audit.redaction.secretforms import SecretForms


class URLEncoded:
    """Masks the values under denied names, and the secret forms elsewhere, of `application/x-www-form-urlencoded`."""

    def __init__(self, names: DeniedNames, forms: SecretForms, mask: Mask) -> None:
        self._names = names
        self._forms = forms
        self._mask = mask

    def redact(self, text: str, *, cut: bool = False) -> str:
        """Return `text` redacted; `cut` says that it is the beginning of a longer one."""
        pairs = text.split("&")
        last = len(pairs) - 1
        return "&".join([self._pair(pair, cut and index == last) for index, pair in enumerate(pairs)])

    def _pair(self, pair: str, cut: bool) -> str:
        name, equals, value = pair.partition("=")
        if not equals:
            return self._value(pair, cut)
        if self._names.denies(name):
            if value:
                raw = unquote_to_bytes(value.replace("+", " ").encode("utf-8", "surrogateescape"))
                value = REDACTED if cut else self._mask(raw)
            return f"{self._value(name, False)}={value}"
        if ";" in value:
            # Some parsers separate pairs by semicolons, too. What follows a denied one goes with it.
            pieces = value.split(";")
            for index, piece in enumerate(pieces):
                inner, equals, _ = piece.partition("=")
                if index and equals and self._names.denies(inner):
                    kept = ";".join([self._value(piece, False) for piece in pieces[:index]])
                    return f"{self._value(name, False)}={kept};{self._value(inner, False)}={REDACTED}"
        return f"{self._value(name, False)}={self._value(value, cut)}"

    def _value(self, text: str, cut: bool) -> str:
        if "+" in text and self._forms.hidden(text, cut=cut):
            return REDACTED
        return self._forms.redact(text, cut=cut)
