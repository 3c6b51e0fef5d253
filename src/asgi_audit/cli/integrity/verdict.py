"""A report of a verification, for people."""

from typing import Final

from asgi_audit.cli.counting import some
from asgi_audit.cli.output import Output, Piece
from asgi_audit.integrity.report import Finding, Report, Verdict, WriterReport

_STYLES: Final = {
    Verdict.PASS: "bold green",
    Verdict.DECLARED_LOSS: "bold yellow",
    Verdict.UNANCHORED: "bold yellow",
    Verdict.TAMPERED: "bold red",
}
_MEANINGS: Final = {
    Verdict.PASS: "all that is sealed is as it was, and anchored",
    Verdict.DECLARED_LOSS: "all that is sealed is as it was, and anchored; some records were lost, and said to be",
    Verdict.UNANCHORED: "nothing speaks against it, but no anchor vouches for all of it",
    Verdict.TAMPERED: "it is not what it was",
}
_MOST: Final = 50  # findings that are shown
_MOST_WRITERS: Final = 20
_LABEL: Final = 12


def print_report(report: Report, out: Output) -> None:
    """The verdict first, then what it rests on."""
    out.line(Piece(report.verdict, _STYLES[report.verdict]), f"  {report.name}: {_MEANINGS[report.verdict]}")
    if report.findings:
        out.line()
        for finding in report.findings[:_MOST]:
            out.line("  ", Piece(_place(finding), "bold"), f"  {finding.what}")
        left = sum(report.finding_counts.values()) - min(len(report.findings), _MOST)
        if left:
            out.line(f"  … and {some(left, 'finding')} more; --json lists up to a thousand")
    out.line()
    for label, text in _facts(report):
        out.line("  ", Piece(f"{label:<{_LABEL}}", "dim"), text)
    for writer in report.writer_reports[:_MOST_WRITERS]:
        out.line("  ", " " * _LABEL, _writer(writer))
    if report.writers > _MOST_WRITERS:
        out.line("  ", " " * _LABEL, "…")
    for note in report.notes:
        out.line("  ", Piece(f"{'note':<{_LABEL}}", "dim"), note)


def _facts(report: Report) -> list[tuple[str, str]]:
    anchored = "nothing" if report.anchored is None else some(report.anchored, "record")
    facts = [
        ("log", report.log or "none yet"),
        ("sealed", f"{some(report.sealed, 'record')}, root {report.root}"),
        ("not sealed", some(report.unsealed, "record")),
        ("anchored", f"{anchored}; {some(report.checkpoints, 'checkpoint')} in the database"),
    ]
    erased = ", ".join(f"{part} of {some(count, 'record')}" for part, count in report.erased.items() if count)
    if erased:
        facts.append(("erased", erased))
    if report.purged:
        facts.append(("purged", some(report.purged, "record")))
    if report.lost:
        facts.append(("lost", f"{some(report.lost, 'record')}, as declared"))
    if report.pending:
        facts.append(("pending", f"{some(report.pending, 'record')}, which may still be on the way"))
    facts.append(("writers", f"{report.writers:,}"))
    return facts


def _writer(writer: WriterReport) -> str:
    said = [some(writer.records, "record")]
    said += [f"{count:,} {what}" for count, what in ((writer.lost, "lost"), (writer.missing, "missing")) if count]
    said += [f"{writer.pending:,} pending"] if writer.pending else []
    return f"{writer.writer:<32}  {writer.verdict}  {', '.join(said)}"


def _place(finding: Finding) -> str:
    places = [
        finding.kind,
        "" if finding.index is None else f"index {finding.index}",
        "" if finding.record is None else f"record {finding.record}",
        "" if finding.record is not None or finding.writer is None else f"writer {finding.writer}",
    ]
    return "  ".join(filter(None, places))
