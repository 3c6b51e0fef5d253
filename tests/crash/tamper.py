"""What a crash may leave but seldom does, done to the directories of dead writers."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from asgi_audit.journal.frame import (
    CANCEL,
    CURSOR,
    HEADER,
    INTENT,
    NO_INTENT,
    PROVISIONAL,
    RECORD,
    Entry,
    entries,
    frame,
)
from tests.crash.database import Row

_ENDS = frozenset({CANCEL, PROVISIONAL, RECORD})


def writers(journal: Path) -> list[Path]:
    """The directories of writers."""
    return [path for path in sorted(journal.glob("[0-9a-f]*")) if (path / "lock").exists()]


def tear(directory: Path, chance: random.Random) -> None:
    """Leave the beginning of one more entry, as a write that was cut short does: the record of a request that ran."""
    segment = max(path for path in directory.glob("*.seg") if any(_entries(path)))
    found = list(_entries(segment))
    begun = {item.words[1]: item.words[2] for item in found if item.words[0] == INTENT}
    for item in found:
        if item.words[0] in _ENDS:
            # The intent's id stands behind the `seq`, or the record's id.
            begun.pop(item.words[1 if item.words[0] == CANCEL else 2], None)
    intent, record = next(iter(begun.items()), (NO_INTENT, b'{"v":1}'))
    line = frame(RECORD, b"%d" % (max(_numbers(directory), default=-1) + 1), intent, record)
    with segment.open("r+b") as file:
        file.seek(found[-1].end)
        file.write(line[: chance.randrange(1, len(line) - 1)])


def rewind(directory: Path) -> None:
    """Have the cursor where the oldest segment begins, as if nobody had noted since what was delivered."""
    if cursors := _cursors(directory):
        oldest = next(_entries(min(directory.glob("*.seg"))))
        cursor = {"lane": cursors[-1]["lane"], "position": json.loads(oldest.words[1])["first"]}
        (directory / "cursors").write_bytes(frame(CURSOR, json.dumps(cursor).encode()))


def due_again(directory: Path, rows: list[Row]) -> int:
    """How many records stand in the database, and will be delivered once more."""
    stored = {row.seq for row in rows if row.writer == directory.name}
    return sum(seq >= _cursor(directory) for seq in stored & _numbers(directory))


def _cursor(directory: Path) -> int:
    """How far the one lane that there is has come."""
    return max((cursor["position"] for cursor in _cursors(directory)), default=0)


def _cursors(directory: Path) -> list[dict[str, Any]]:
    file = directory / "cursors"
    return [json.loads(item.words[1]) for item in _entries(file)] if file.exists() else []


def _numbers(directory: Path) -> set[int]:
    """Of the writer's own records; what a recovery has added to them has numbers of its own."""
    return {
        int(item.words[1])
        for segment in directory.glob("*.seg")
        for item in _entries(segment)
        if item.words[0] == RECORD and not _is_recovery(segment)
    }


def _is_recovery(segment: Path) -> bool:
    return any(item.words[0] == HEADER and b'"of"' in item.words[1] for item in _entries(segment))


def _entries(segment: Path) -> Iterator[Entry]:
    return (item for item in entries(segment.read_bytes()) if isinstance(item, Entry))


def recovered(directory: Path) -> bool:
    """Whether a successor has been at work here."""
    return any(map(_is_recovery, directory.glob("*.seg")))
