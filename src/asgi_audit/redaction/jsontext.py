"""JSON redacted as text: what is not secret keeps its exact bytes."""

import json
from typing import Final

from asgi_audit.redaction.jsonjump import find
from asgi_audit.redaction.jsonscan import Redacted, Scan, decoded
from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import REDACTED, Mask
from asgi_audit.redaction.secretforms import SecretForms

_NESTED: Final = 4  # JSON in a string in JSON; each level doubles the backslashes, so honest data stays below
_OPENERS: Final = frozenset('{["')
_MAY_BE_JSON: Final = _OPENERS | frozenset(" \t\r\n\x1e\ufeff")


class JSONText:
    """Masks the values under denied names, and the secret forms in strings, of JSON text."""

    def __init__(self, names: DeniedNames, forms: SecretForms, mask: Mask) -> None:
        self._names = names
        self._forms = forms
        self._mask = mask

    def redact(self, text: str, *, cut: bool = False, nested: int = 0) -> Redacted:
        """Return `text` redacted, up to its first error; `cut` says that it is the beginning of a longer one."""
        scan = Scan(self, text, cut, nested)
        if (jump := find(text, self, cut=cut, nested=nested)) is not None:
            scan.jump(*jump)
        return scan.run()

    def string(self, text: str, *, cut: bool = False, nested: int = 0) -> str:
        """Return a decoded string with its secret forms masked, also where it is JSON itself."""
        if text[:1] in _MAY_BE_JSON and text.lstrip()[:1] in _OPENERS:
            if nested == _NESTED:
                return REDACTED
            inner = self.redact(text, cut=cut, nested=nested + 1)
            if inner.whole:
                text = inner.text
        return self._forms.redact(text, cut=cut)

    def denies(self, name: str) -> bool:
        """Return whether the value under this key is masked."""
        return self._names.denies(name)

    def scalar(self, literal: str) -> str:
        """Return the mask of a denied string or number, as a JSON string."""
        content = decoded(literal)
        return json.dumps(self._mask(literal if content is None else content))
