"""Compares what is stored with what the program has said of itself."""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from tests.syscalls import diary
from tests.syscalls.steps import KINDS, STATUS, STEPS, Step


class Row(NamedTuple):
    """A stored record, as far as it matters here."""

    writer: str
    seq: int
    id: str
    kind: str
    action: str
    outcome: str | None
    path: str | None
    detail: str


def stored(home: Path) -> list[Row]:
    """All records, by writer and sequence number."""
    query = f"SELECT {', '.join(Row._fields)} FROM audit_records ORDER BY writer, seq"
    with closing(sqlite3.connect(home / "audit.db")) as connection:
        return list(map(Row._make, connection.execute(query)))


def complaints(home: Path, *, killed: bool) -> list[str]:
    """Every promise that was broken, in words."""
    rows = stored(home)
    story = diary.read(home / "diary")
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.kind in {"http", "websocket", "event"}:
            found[row.path or row.action].append(row)
    lost = sum(json.loads(row.detail)["data"]["records"] for row in rows if row.kind == "loss")
    said = [f"{key} is stored {len(rows)} times" for key, rows in found.items() if len(rows) > 1]
    said += _gaps(rows)
    missing: list[str] = []
    for step in STEPS:
        said += _about(step, found.pop(step.key, []), story, missing, killed=killed)
        extra = found.pop(f"told.{step.number}", [])
        if step.kind == "told" and not extra and step.number in story.answered:
            missing.append(f"told.{step.number}")
        elif extra and step.number not in story.entered:
            said.append(f"told.{step.number} is spurious")
    said += [f"{key} is spurious" for key in found]
    said += [f"{STEPS[number].key} has run without an intent" for number in story.unsecured]
    if killed:
        said += [f"{key} is missing" for key in missing]
        said += [f"a loss of {lost} is declared"] if lost else []
    else:
        own = Counter(row.kind for row in rows)
        silent = max(0, 2 - own["open"]) + max(0, 2 - own["close"])  # of this process, and of the healthy one
        if not story.ended:
            said.append("the program did not come to its end")
        if not len(missing) <= lost <= len(missing) + silent:
            said.append(
                f"missing {missing} and {silent} of the trail's own, but {lost} declared as lost; {story.failures}"
            )
    return said + [f"{path.name} is left in the journal's place" for path in remnants(home)]


def remnants(home: Path) -> list[Path]:
    """What is left in the journal's place, but for empty directories that were never shown to others."""
    with suppress(FileNotFoundError):  # somebody is just removing the rest
        paths = list((home / "journal").iterdir())
        return [path for path in paths if not path.name.startswith(".") or any(path.iterdir())]
    return []


def _about(step: Step, rows: list[Row], story: diary.Story, missing: list[str], *, killed: bool) -> list[str]:
    entered, answered = step.number in story.entered, story.answered.get(step.number)
    expected = {"event": 0, "socket": 101}.get(step.kind, STATUS.get(step.kind, 201))
    outcomes = {str(row.outcome) for row in rows}
    allowed = set(KINDS[step.kind])
    if killed and answered is None:
        allowed.add("interrupted")
    if not killed and step.kind == "payment" and answered == 503 and not entered:
        expected, allowed = 503, {"refused"}
    said = []
    if rows and (not step.recorded or step.number not in story.issued):
        said.append(f"{step.key} is spurious")
    elif outcomes - allowed:
        said.append(f"{step.key} has ended with {outcomes}, not with {allowed}")
    if answered is None and not killed:
        said.append(f"{step.key} has got no answer")
    if answered not in {None, expected}:
        said.append(f"{step.key} was answered with {answered}")
    if step.recorded and not rows and (entered or answered is not None):
        missing.append(step.key)
    return said


def _gaps(rows: list[Row]) -> list[str]:
    writers: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        writers[row.writer].append(row.seq)
    return [
        f"writer {writer} has gaps: {numbers}"
        for writer, numbers in writers.items()
        if numbers != [*range(len(numbers))]
    ]
