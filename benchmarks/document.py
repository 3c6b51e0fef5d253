"""The results for readers: tables, plots, and the page of the documentation that is made of them.

`python -m benchmarks.document` makes the page again from the results that are kept beside it.
"""

from pathlib import Path
from typing import Final

import msgspec

from benchmarks.plots import draw
from benchmarks.results import Report, Table
from benchmarks.table import table

_INTRODUCTION: Final = """\
# Performance

This page is made by `python3 dev.py bench` from [what was measured](performance/results.json). Figures of one run only
are compared with each other: each is the median of repetitions in which all that is compared took turns, with the
quartiles in brackets. Instructions are counted by callgrind, in user space, and do not move with the machine's noise.
*no-op* is the least that a middleware can be: it wraps `send` with an async closure. What it adds to the bare
application is the unit. [Where the time goes](where-the-time-goes.md) tells why the figures are what they are."""


def show(each: Table) -> str:
    """A table with its title and its note."""
    parts = [f"### {each.title}", each.note, table(each.columns, each.rows)]
    return "\n\n".join(filter(None, parts))


def goals(report: Report) -> str:
    """All goals, and whether they were met."""
    rows = [
        [goal.work, f"{'≤' if goal.at_most else '≥'} {goal.limit:g}", goal.found, "yes" if goal.met else "**no**"]
        for results in report.sections.values()
        for goal in results.goals
    ]
    return table(["work", "goal", "found", "met"], rows)


def page(report: Report) -> str:
    """The page of the documentation."""
    about = {"command": f"`{report.command}`", "date": report.date, "revision": f"`{report.revision}`"}
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    facts = {**about, **report.machine, "versions": versions}
    parts = [
        _INTRODUCTION,
        "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        "## Goals",
        goals(report),
        "## Measured",
    ]
    for results in report.sections.values():
        for each in results.tables:
            parts.append(show(each))
            if each.plot is not None:
                parts.append(f"![{each.title}](performance/{each.name}.svg)")
    return "\n\n".join(parts) + "\n"


def publish(report: Report, docs: Path) -> None:
    """Write the page, its plots, and the results that they are made of."""
    place = docs / "performance"
    place.mkdir(exist_ok=True)
    (place / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (docs / "performance.md").write_text(page(report), encoding="utf-8")
    for results in report.sections.values():
        for each in results.tables:
            if each.plot is not None:
                draw(each, each.plot, place / f"{each.name}.svg")


def published(docs: Path) -> Report:
    """What was measured last."""
    return msgspec.json.decode((docs / "performance" / "results.json").read_bytes(), type=Report)


if __name__ == "__main__":
    _docs = Path(__file__).parent.parent / "docs"
    publish(published(_docs), _docs)
