import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asgi_audit.cli import main
from asgi_audit.record import Record, decode
from tests.cli.conftest import Store
from tests.cli.sample import a_record


def actions(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """What `log` lists, by JSON."""
    assert main(["log", *arguments, "--json"]) == 0
    return [json.loads(line)["action"] for line in capsys.readouterr().out.splitlines()]


ALL = ["trail.loss", "invoice.remind", "DELETE /invoices/{id}", "POST /invoices"]


def test_the_newest_record_comes_first(
    url: str, store: Store, story: Sequence[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """Titles, then a row each; of the trail's own records only the loss."""
    store(url, story)
    assert main(["log", url]) == 0
    out, error = capsys.readouterr()
    assert error == ""
    titles, *rows = out.splitlines()
    assert titles.split()[:4] == ["time", "outcome", "code", "action"]
    assert [action for action, row in zip(ALL, rows, strict=True) if action in row] == ALL
    assert all(record.id in out for record in story[1:])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--oldest-first"], ALL[::-1]),
        (["--limit", "2"], ALL[:2]),
        (["--limit", "1", "--oldest-first"], ["POST /invoices"]),
        (["--all", "--own"], [*ALL, "trail.open"]),
        (["--kind", "open"], ["trail.open"]),
        (["--kind", "event"], ["invoice.remind"]),
        (["--actor", "ada"], ["POST /invoices"]),
        (["--actor-type", "job"], ["invoice.remind"]),
        (["--action", "invoice.remind"], ["invoice.remind"]),
        (["--target", "2026-001", "--target-type", "invoice"], ALL[1:]),
        (["--outcome", "denied"], ["DELETE /invoices/{id}"]),
        (["--status", "4xx"], ["DELETE /invoices/{id}"]),
        (["--status", "200-299"], ["POST /invoices"]),
        (["--status", "403"], ["DELETE /invoices/{id}"]),
        (["--method", "POST"], ["POST /invoices"]),
        (["--route", "/invoices/{id}"], ["DELETE /invoices/{id}"]),
        (["--path", "2026"], ["DELETE /invoices/{id}"]),
        (["--request-id", "r-1"], ["POST /invoices"]),
        (["--ip", "192.0.2.1"], ["DELETE /invoices/{id}", "POST /invoices"]),
        (["--tenant", "acme"], []),
        (["--since", "1h", "--until", "now"], ALL),
        (["--since", "2999-01-01"], []),
        (["--until", "yesterday", "--local"], []),
    ],
)
def test_filters_and_order(
    trail: str, arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every filter of the store's has an option; a record must match all that are given."""
    assert actions(capsys, trail, *arguments) == expected


def test_json_is_the_record_itself(trail: str, story: Sequence[Record], capsys: pytest.CaptureFixture[str]) -> None:
    """One object per line, which reads as the record that was stored."""
    assert main(["log", trail, "--json", "--oldest-first", "--own"]) == 0
    read = [decode(line) for line in capsys.readouterr().out.splitlines()]
    assert [(record.id, record.action, record.request) for record in read] == [
        (record.id, record.action, record.request) for record in story
    ]


def test_csv_has_a_row_per_record(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Below a row of titles, which is there even if no record matches."""
    assert main(["log", trail, "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["action"] for row in rows] == ALL
    assert main(["log", trail, "--csv", "--actor", "nobody"]) == 0
    assert capsys.readouterr().out.startswith("time,id,kind,outcome,")


def test_a_long_list_keeps_its_titles_at_the_top(
    tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many chunks it takes, every record is there once."""
    path = tmp_path / "audit.db"
    records = [a_record() for _ in range(1100)]
    store(f"sqlite:///{path}", records)
    assert main(["log", str(path), "--all"]) == 0
    titles, *rows = capsys.readouterr().out.splitlines()
    assert titles.startswith("time")
    assert [row.split()[-1] for row in rows] == [record.id for record in reversed(records)]


def test_when_nothing_matches_one_sentence_helps(
    trail: str, story: Sequence[Record], tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes to standard error, so that a program that reads the list sees none."""
    assert main(["log", trail, "--actor", "nobody"]) == 0
    newest = f"{story[3].time:%Y-%m-%d %H:%M:%S}"
    message = f"No records match; the newest of all is of {newest} UTC. Fewer filters show more.\n"
    assert capsys.readouterr() == ("", message)
    store(f"sqlite:///{tmp_path / 'new.db'}", story[:1])
    assert main(["log", str(tmp_path / "new.db")]) == 0
    message = "No records match: the application has left none yet (--own shows what the trail says of itself).\n"
    assert capsys.readouterr() == ("", message)


def test_times_may_be_the_machine_s_own(trail: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --local a row shows what a clock on the wall showed."""
    assert main(["log", trail, "--local", "--kind", "event"]) == 0
    shown = capsys.readouterr().out.splitlines()[1][:19]
    moment = datetime.fromisoformat(shown).astimezone()
    assert timedelta(0) < datetime.now(UTC) - moment < timedelta(hours=1)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--status", "abc"], "status='abc': give a status"),
        (["--status", "499-400"], "status=(499, 400): give a status"),
        (["--since", "1h", "--until", "2h"], "it is later than until="),
        (["--outcome", "bad"], "outcome"),
        (["--kind", "thing"], "kind"),
        (["--since", "soon"], "--since: 'soon' is no point in time; write 30m, 2h, 7d, today"),
    ],
)
def test_a_filter_that_cannot_match_is_refused(
    trail: str, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what may be written instead, in one line."""
    assert main(["log", trail, *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("asgi-audit: ")
    assert reason in error
    assert error.count("\n") == 1
