"""Looking at rows before they are erased or purged: what is not what it was must stay, for it is evidence."""

from typing import Any

from asgi_audit.errors import AuditError
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.report import Findings
from asgi_audit.record import Record
from asgi_audit.verification.examination import Examiner


class EvidenceAltered(AuditError):  # noqa: N818 - named as what it is
    """A record is not what it was. It was left as it is, and what would have come after it, too."""


class Inspection:
    """Looks at rows as a verifier would."""

    def __init__(self, mac: MacKey | None = None, mac_from: int = 0) -> None:
        self._findings = Findings()
        self._examiner = Examiner(self._findings, mac, mac_from)

    def inspect(self, row: dict[str, Any], index: int | None = None, hashed: bytes | None = None) -> Record:
        """The record; raises `EvidenceAltered` if anything is wrong with it."""
        examined = self._examiner.examine(row, index, hashed)
        if not examined.sound or examined.record is None:
            raise EvidenceAltered(
                f"stopped at record {row['id']}: {self._findings.kept[0].what}; `asgi-audit verify` tells more"
            )
        return examined.record
