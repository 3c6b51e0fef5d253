import csv
import io

import pytest

from asgi_audit.cli.spreadsheet import Spreadsheet, harmless
from asgi_audit.record import Actor, Kind, Record, Target
from tests.cli.sample import a_record


def rows(*records: Record) -> list[dict[str, str]]:
    """What a reader makes of the records' rows."""
    file = io.StringIO(newline="")
    sheet = Spreadsheet(file)
    for record in records:
        sheet.write(record)
    return list(csv.DictReader(io.StringIO(file.getvalue(), newline="")))


def test_a_row_has_a_fact_per_column() -> None:
    """Times are exact, durations are numbers, several targets share a cell."""
    record = a_record(
        actor=Actor("7", name="Ada, Countess", on_behalf_of=Actor("9")), targets=[Target("1", type="a"), Target("2")]
    )
    (row,) = rows(record)
    assert row["time"] == "2026-11-23T15:30:12.123456+00:00"
    assert row["id"] == record.id
    assert (row["outcome"], row["status"], row["duration_us"]) == ("denied", "403", "1234")
    assert (row["actor"], row["actor_name"], row["on_behalf_of"]) == ("7", "Ada, Countess", "9")
    assert row["targets"] == "a 1; 2"
    assert (row["method"], row["path"], row["ip"]) == ("DELETE", "/invoices/2026-001", "192.0.2.1")


def test_what_a_record_does_not_have_is_an_empty_cell() -> None:
    """An event outside any request has few facts."""
    fields = {"kind": Kind.EVENT, "actor": None, "targets": None, "source": None, "request": None, "response": None}
    (row,) = rows(a_record(**fields))
    assert row["kind"] == "event"
    assert {row[name] for name in ("actor", "actor_name", "targets", "ip", "path", "status", "error")} == {""}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_a_formula_becomes_a_text(text: str) -> None:
    """A spreadsheet must not run what a client calls itself."""
    (row,) = rows(a_record(actor=Actor(text)))
    assert row["actor"] == f"'{text}"


def test_other_values_stay_as_they_are() -> None:
    """Numbers may be negative, texts may hold such characters elsewhere."""
    assert [harmless(value) for value in ("a=b", "", None, -1)] == ["a=b", "", None, -1]
