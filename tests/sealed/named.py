"""What a verdict must name for an attack to count as found."""

from dataclasses import dataclass

from asgi_audit.integrity.report import Finding, Report


@dataclass(frozen=True, slots=True)
class Named:
    """A kind of finding, or two with a bar between, and where: what is None may be anything."""

    kind: str
    index: int | None = None
    record: str | None = None
    writer: str | None = None

    def by(self, finding: Finding) -> bool:
        """Whether the finding says so."""
        return (
            finding.kind in self.kind.split("|")
            and self.index in {None, finding.index}
            and self.record in {None, finding.record}
            and self.writer in {None, finding.writer}
        )


def missed(report: Report, *named: Named) -> list[Named]:
    """Those that the report does not name."""
    return [each for each in named if not any(map(each.by, report.findings))]
