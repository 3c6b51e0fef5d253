"""The benchmarks run, and say what they have measured. How long it takes is no matter of tests."""

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

import msgspec
import pytest
from benchmarks import against, instructions
from benchmarks.__main__ import main
from benchmarks.bench import Scale, interleaved
from benchmarks.document import goals, page, publish, published, show
from benchmarks.plots import draw
from benchmarks.results import Figure, Goal, Plot, Report, Results, Table

ROOT = Path(__file__).parent.parent
BARS = Table(
    "bars",
    "Bars",
    ["work", "a", "b"],
    [["x", Figure(1, 0.5, 2), 3], ["y", None, 2.5]],
    "A note.",
    Plot("bars", ["a", "b"], "µs", log=True),
)
LINES = Table(
    "lines", "Lines", ["rows", "ms"], [["10", 1.5], ["100", Figure(2, 1, 3)]], plot=Plot("lines", ["ms"], "ms")
)
GOALS = [
    Goal("fast", 2, 1.5),
    Goal("slow", 2, 2.5),
    Goal("much", 2, 2.5, at_most=False),
    Goal("little", 2, 1.5, at_most=False),
]
REPORT = Report(
    "2026-11-27",
    "abc",
    "bench",
    {"cores": "2"},
    {"Python": "3.11"},
    {"one": Results([BARS, LINES], GOALS)},
    {"one": 1.0},
)


@pytest.mark.timeout(900)
def test_everything_is_measured_and_all_that_was_answered_is_stored(tmp_path: Path) -> None:
    """A short run of the whole suite, over real servers and databases, in which a missing row is a failure.

    Its tables are whole, and the page and the plots can be made of them.
    """
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--json", str(tmp_path / "results.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    report = msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Report)
    assert list(report.sections) == list(report.seconds)
    assert len(report.sections) == 9
    tables = [each for results in report.sections.values() for each in results.tables]
    assert len({each.name for each in tables}) == len(tables)
    for each in tables:
        assert each.rows, each.name
        assert {len(row) for row in each.rows} == {len(each.columns)}, each.name
        assert set(each.plot.columns if each.plot else ()) <= set(each.columns), each.name
        for cell in (cell for row in each.rows for cell in row[1:]):
            shown = cell.median if isinstance(cell, Figure) else cell
            assert shown is None or math.isfinite(float(shown)), each.name
    publish(report, tmp_path)
    assert (tmp_path / "performance.md").read_text(encoding="utf-8") == page(published(tmp_path))


def test_the_page_is_made_of_what_was_measured_last() -> None:
    """Nobody has written into it since, and its plots are there."""
    report = published(ROOT / "docs")
    assert (ROOT / "docs" / "performance.md").read_text(encoding="utf-8") == page(report)
    drawn = {each.name for results in report.sections.values() for each in results.tables if each.plot is not None}
    assert {path.stem for path in (ROOT / "docs" / "performance").glob("*.svg")} == drawn


def test_all_take_turns_and_another_one_begins_each_time() -> None:
    """So that what disturbs the machine disturbs everybody; the first rounds only warm up."""
    order: list[str] = []

    def work(name: str) -> int:
        order.append(name)
        return len(order)

    works = {name: partial(work, name) for name in "abc"}
    found = interleaved(works, 3, warm=1)
    assert "".join(order) == "cab" + "abc" + "bca" + "cab"
    assert found == {"a": [4, 9, 11], "b": [5, 7, 12], "c": [6, 8, 10]}


def test_a_figure_has_a_median_and_quartiles() -> None:
    """Of one value, all three are that."""
    assert Figure.of([1, 2, 3, 4, 5]) == Figure(low=2, median=3, high=4)
    assert Figure.of([7]) == Figure(7, 7, 7)


def test_goals_are_met_from_one_side() -> None:
    """Some are the least, others the most; a missed one stands out."""
    assert [goal.met for goal in GOALS] == [True, False, True, False]
    assert goals(REPORT).count("**no**") == 2


def test_tables_are_read_by_people() -> None:
    """With the spread, no more digits than count, and a dash for what is missing."""
    assert (
        show(BARS)
        == """\
### Bars

A note.

| work |          a |    b |
|------|-----------:|-----:|
| x    | 1 (0.50–2) |    3 |
| y    |          - | 2.50 |"""
    )


@pytest.mark.parametrize("each", [BARS, LINES])
def test_plots_are_the_same_for_the_same_figures(tmp_path: Path, each: Table) -> None:
    """They are well-formed SVG, and name what they show."""
    for name in ("one", "two"):
        assert each.plot is not None
        draw(each, each.plot, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    texts = {element.text for element in ET.parse(tmp_path / "one").iter("{http://www.w3.org/2000/svg}text")}
    assert each.plot is not None
    assert each.plot.unit in texts


def test_a_change_is_compared_with_what_was_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same section, over the sources of both."""
    seen = []

    def measured(root: Path, source: Path, sections: list[str], scale: Scale, output: Path) -> Report:
        seen.append(source)
        return REPORT

    monkeypatch.setattr(against, "_measured", measured)
    assert main(["--against", "HEAD", "--only", "adapters", "--smoke"]) == 0
    assert [source.name for source in seen] == ["src", "src"]
    assert seen[1] == ROOT / "src" != seen[0]
    output = capsys.readouterr().out
    assert "bars · x · b" in output
    assert "lines · 100 · ms" in output


def test_what_instructions_are_counted_of_serves_and_delivers_nothing(tmp_path: Path) -> None:
    """The process that is watched ends with its last request: what it has recorded is left in the journal."""
    command = [sys.executable, "-m", "benchmarks.instructions", "file, interval", "3", str(tmp_path)]
    environment = {"PATH": "", "PYTHONPATH": ":".join(filter(None, [*sys.path, str(ROOT)]))}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    (segment,) = tmp_path.glob("journal/*/*.seg")
    assert segment.read_bytes().count(b'"POST"') >= 6


def test_a_recorded_request_takes_more_instructions_than_none() -> None:
    """Where they can be counted."""
    if instructions.available():
        assert instructions.per_request("memory", 20) > instructions.per_request("bare", 20) > 1000
