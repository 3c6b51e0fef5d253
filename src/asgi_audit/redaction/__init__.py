"""Redaction: what must not leave is masked before anything is journaled."""

from asgi_audit.redaction.pseudonyms import Pseudonyms
from asgi_audit.redaction.redactor import Redactor

__all__ = ["Pseudonyms", "Redactor"]
