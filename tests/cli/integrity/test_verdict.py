"""A report of a verification as people read it."""

from typing import Any

import pytest

from asgi_audit.cli.integrity.verdict import print_report
from asgi_audit.cli.output import PlainOutput
from asgi_audit.integrity.report import Finding, Report, Verdict, WriterReport


def a_report(**fields: Any) -> Report:
    """Of a log in which all is well, or what the fields make of it."""
    facts: dict[str, Any] = {
        "verdict": Verdict.PASS,
        "name": "sqlite:///audit.db",
        "log": "audit.example",
        "sealed": 1204,
        "unsealed": 1,
        "anchored": 1204,
        "checkpoints": 2,
        "root": "ab" * 32,
        "erased": {"actor": 0, "target": 0, "detail": 0},
        "purged": 0,
        "lost": 0,
        "pending": 0,
        "writers": 1,
        "writer_reports": [a_writer()],
        "findings": [],
        "finding_counts": {},
        "notes": [],
    }
    return Report(**facts | fields)


def a_writer(**fields: Any) -> WriterReport:
    """One whose records are all there."""
    facts: dict[str, Any] = {
        "writer": "5e" * 16,
        "verdict": Verdict.PASS,
        "records": 1204,
        "lost": 0,
        "missing": 0,
        "pending": 0,
    }
    return WriterReport(**facts | fields)


def lines(report: Report, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The report as it is printed."""
    print_report(report, PlainOutput(None))
    return capsys.readouterr().out.splitlines()


def test_what_happened_is_counted_and_what_did_not_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Each fact has a line of its own."""
    report = a_report(
        verdict=Verdict.DECLARED_LOSS,
        erased={"actor": 2, "target": 0, "detail": 1},
        purged=1000,
        lost=3,
        pending=1,
        writer_reports=[a_writer(verdict=Verdict.DECLARED_LOSS, lost=3, missing=2, pending=1)],
        notes=["something else"],
    )
    assert lines(report, capsys) == [
        "DECLARED LOSS  sqlite:///audit.db: all that is sealed is as it was, and anchored; "
        "some records were lost, and said to be",
        "",
        "  log         audit.example",
        f"  sealed      1,204 records, root {'ab' * 32}",
        "  not sealed  1 record",
        "  anchored    1,204 records; 2 checkpoints in the database",
        "  erased      actor of 2 records, detail of 1 record",
        "  purged      1,000 records",
        "  lost        3 records, as declared",
        "  pending     1 record, which may still be on the way",
        "  writers     1",
        f"              {'5e' * 16}  DECLARED LOSS  1,204 records, 3 lost, 2 missing, 1 pending",
        "  note        something else",
    ]


def test_a_finding_says_where_it_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """By index and record, else by its writer, as far as they are known."""
    findings = [
        Finding(kind="core", what="it differs", index=7, record="01a2", writer="5e"),
        Finding(kind="sequence", what="2 missing", writer="5e"),
        Finding(kind="table", what="it is gone"),
    ]
    counts = {"core": 1, "sequence": 1, "table": 1}
    assert lines(a_report(verdict=Verdict.TAMPERED, findings=findings, finding_counts=counts), capsys)[:6] == [
        "TAMPERED  sqlite:///audit.db: it is not what it was",
        "",
        "  core  index 7  record 01a2  it differs",
        "  sequence  writer 5e  2 missing",
        "  table  it is gone",
        "",
    ]


@pytest.mark.parametrize(("count", "rest"), [(51, "1 finding"), (3000, "2,950 findings")])
def test_of_many_findings_the_first_are_shown(count: int, rest: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the others counted, also those that the report itself does not list."""
    findings = [Finding(kind="core", what="it differs", index=index) for index in range(min(count, 1000))]
    report = a_report(verdict=Verdict.TAMPERED, findings=findings, finding_counts={"core": count})
    shown = lines(report, capsys)
    assert shown[51] == "  core  index 49  it differs"
    assert shown[52] == f"  … and {rest} more; --json lists up to a thousand"


def test_of_many_writers_the_first_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A log may have as many as processes ever ran."""
    report = a_report(writers=3000, writer_reports=[a_writer() for _ in range(25)])
    shown = lines(report, capsys)
    assert "  writers     3,000" in shown
    assert len([line for line in shown if "5e" in line]) == 20
    assert shown[-1].strip() == "…"


def test_a_log_that_nobody_anchored_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """In words, not in zeros."""
    shown = lines(a_report(verdict=Verdict.UNANCHORED, log=None, anchored=None, checkpoints=0), capsys)
    assert "  log         none yet" in shown
    assert "  anchored    nothing; 0 checkpoints in the database" in shown
