"""The redactor: everything that comes from outside passes through it before it is journaled, and it fails closed.

A value under a denied name becomes `[redacted]` (or a keyed pseudonym), a known form of secret is masked wherever it
stands, what cannot be redacted is dropped and marked, and all text is escaped. No method raises, whatever it is given.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from asgi_audit.errors import ConfigurationError
from asgi_audit.escape import boundary, cut_mark, escape
from asgi_audit.redaction.bodies import Bodies
from asgi_audit.redaction.capture import BodyRedactor, Capture
from asgi_audit.redaction.jsontext import JSONText
from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.plaintext import PlainText
from asgi_audit.redaction.pseudonyms import Mask, Pseudonyms, redacted
from asgi_audit.redaction.secretforms import SecretForms
from asgi_audit.redaction.urlencoded import URLEncoded
from asgi_audit.redaction.values import Values

UNREDACTABLE: Final = "\\[unredactable]"

_LONGEST_QUERY: Final = 8192
_LONGEST_TEXT: Final = 4096
_LONGEST_NAME: Final = 256
_MOST_HEADERS: Final = 100
_REMEMBERED: Final = 1024
_LONGEST_REMEMBERED: Final = 64
# Credentials by definition: no `allow=` frees them.
_ALWAYS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


class Redactor:
    """Masks secrets: values under denied names, and secret forms wherever they stand.

    `deny` adds names to the defaults and `allow` takes exact names out of them (see `DeniedNames` for how spellings are
    matched). `body_limit` is how many bytes of a body are kept. With `pseudonyms` equal secrets can be correlated.
    """

    def __init__(
        self,
        *,
        deny: Iterable[str] = (),
        allow: Iterable[str] = (),
        body_limit: int = 16384,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        if type(body_limit) is not int or body_limit < 0:
            raise ConfigurationError("body_limit", body_limit, "pass a number of bytes, 0 or more")
        mask: Mask = redacted if pseudonyms is None else pseudonyms.value
        self._names = DeniedNames(deny, allow)
        self._mask = mask
        self._pseudonyms = pseudonyms
        self._body_limit = body_limit
        forms = SecretForms(self._names, mask)
        json_text = JSONText(self._names, forms, mask)
        self._urlencoded = URLEncoded(self._names, forms, mask)
        self._plain = PlainText(forms)
        # Clients choose the names, so what is remembered is bounded in number and in size.
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._header_name)
        self._ids = PlainText(SecretForms(self._names, mask, cards=False))
        self._values = Values(self._names, self._plain, mask)
        self._id_values = Values(self._names, self._ids, mask)
        bodies = Bodies(json_text, self._urlencoded)
        self._bodies = BodyRedactor(bodies, self._names, self._plain, mask, pseudonyms, body_limit)

    def text(self, value: str | bytes, limit: int | None = _LONGEST_TEXT) -> str:
        """Return free text (a message, a reason, a user agent, a name) without secret forms.

        `limit` counts characters of a str and bytes of bytes; what is cut declares the length of the whole.
        """
        try:
            return self._plain.clean(value, limit)
        except Exception:  # noqa: BLE001 - fail closed, and let no request pay for it
            return UNREDACTABLE

    def identifier(self, value: str | bytes, limit: int | None = _LONGEST_TEXT) -> str:
        """Return an id or a path without secret forms: as `text`, but a long number is no payment card here."""
        try:
            return self._ids.clean(value, limit)
        except Exception:  # noqa: BLE001 - fail closed, and let no request pay for it
            return UNREDACTABLE

    def query(self, raw: bytes) -> str:
        """Return a query string with its exact bytes, except for what is secret."""
        if not raw:
            return ""
        try:
            cut = len(raw) > _LONGEST_QUERY
            kept = raw[: boundary(raw, _LONGEST_QUERY)] if cut else raw
            text = self._urlencoded.redact(kept.decode("utf-8", "surrogateescape"), cut=cut)
            return escape(text.encode("utf-8", "surrogateescape")) + (cut_mark(len(raw)) if cut else "")
        except Exception:  # noqa: BLE001 - fail closed, and let no request pay for it
            return UNREDACTABLE

    def headers(self, items: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        """Return headers in their order, repeated ones too; after the hundredth one entry says how many there were."""
        try:
            headers = list(items)
            kept = [self._header(name, value) for name, value in headers[:_MOST_HEADERS]]
            return kept if len(headers) <= _MOST_HEADERS else [*kept, (cut_mark(len(headers)), "")]
        except Exception:  # noqa: BLE001 - fail closed, and let no request pay for it
            return [(UNREDACTABLE, "")]

    def value(self, value: object, *, identifiers: bool = False) -> Any:
        """Return a Python value as JSON data: redacted by key at any depth, escaped, bounded in depth and size.

        With `identifiers` its texts and numbers are ids (see `identifier`).
        """
        return (self._id_values if identifiers else self._values).clean(value)

    def denies(self, name: str) -> bool:
        """Whether the value under a name must not leave."""
        return self._names.denies(name)

    def mask(self, value: str) -> str:
        """What stands in the place of a secret."""
        return self._mask(value)

    def capture(self, content_type: bytes | str | None, encoding: bytes | str | None = None) -> Capture:
        """Return what takes one body chunk by chunk, given its `Content-Type` and `Content-Encoding`."""
        return Capture(self._bodies, content_type, encoding)

    def _header(self, name: bytes, value: bytes) -> tuple[str, str]:
        label, denied = (self._remembered if len(name) <= _LONGEST_REMEMBERED else self._header_name)(name)
        return label, self._mask(value) if denied else self._plain.clean(value, _LONGEST_TEXT)

    def _header_name(self, name: bytes) -> tuple[str, bool]:
        """Return the name for the record, and whether its value must not leave."""
        decoded = name.decode("utf-8", "surrogateescape")
        denied = decoded.strip().lower() in _ALWAYS or self._names.denies(decoded)
        return self._plain.clean(name, _LONGEST_NAME), denied

    def __repr__(self) -> str:
        return f"Redactor(body_limit={self._body_limit}, pseudonyms={self._pseudonyms!r})"
