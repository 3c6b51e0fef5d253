"""Where checkpoints are kept: the protocol, three anchors without dependencies, and how a text becomes an anchor."""

import os
import re
from typing import TypeAlias

from asgi_audit.anchors.base import Anchor
from asgi_audit.anchors.file import FileAnchor
from asgi_audit.anchors.logger import LoggerAnchor
from asgi_audit.anchors.webhook import WebhookAnchor
from asgi_audit.errors import ConfigurationError

__all__ = ["Anchor", "AnyAnchor", "FileAnchor", "LoggerAnchor", "WebhookAnchor", "as_anchor"]

AnyAnchor: TypeAlias = str | os.PathLike[str] | Anchor

_REMEDY = 'give the path of a file, "logger:" with or without a name, a URL that begins with "https://", or an anchor'


def as_anchor(given: AnyAnchor) -> Anchor:
    """An anchor from a file's path, `logger:` or `logger:NAME`, an http or https URL, or an anchor."""
    if isinstance(given, type):
        raise ConfigurationError("anchor", given, f"give an object, not its class: {given.__name__}(…)")
    if isinstance(given, Anchor):
        return given
    if isinstance(given, str):
        return _from_text(given)
    if isinstance(given, os.PathLike):
        return FileAnchor(given)
    raise ConfigurationError("anchor", given, _REMEDY)


def _from_text(text: str) -> Anchor:
    if (match := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text)) is not None:
        scheme = match[1].lower()
        if scheme in {"http", "https"}:
            return WebhookAnchor(text)
        raise ConfigurationError("anchor", f"{scheme}://…", f"no anchor is known for this scheme; {_REMEDY}")
    scheme, colon, name = text.partition(":")
    if colon and scheme == "logger":
        return LoggerAnchor(name) if name else LoggerAnchor()
    return FileAnchor(text)
