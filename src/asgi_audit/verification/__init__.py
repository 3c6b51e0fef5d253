"""Finding out whether a log is what it was: reads evidence from anywhere, trusts none of it, and says what it found."""

from asgi_audit.verification.bundle import Bundle, write_bundle
from asgi_audit.verification.evidence import Evidence
from asgi_audit.verification.verifier import Verifier

__all__ = ["Bundle", "Evidence", "Verifier", "write_bundle"]
