"""What a crash may leave but seldom does, done to the directories of dead writers."""

import random
from collections.abc import Iterator
from pathlib import Path

from asgi_audit.journal.frame import CANCEL, HEADER, INTENT, NO_INTENT, PROVISIONAL, RECORD, Entry, entries, frame
from tests.crash.database import Row

_ENDS = frozenset({CANCEL, PROVISIONAL, RECORD})


def writers(journal: Path) -> list[Path]:
    """The directories of writers."""
    return [path for path in sorted(journal.glob("[0-9a-f]*")) if (path / "lock").exists()]


def tear(directory: Path, chance: random.Random) -> None:
    """Leave the beginning of one more entry, as a write that was cut short does: the record of a request that ran."""
    segment = max(directory.glob("*.seg"))
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


def rewind(directory: Path, rows: list[Row]) -> int:
    """Make as if nobody had noted what was delivered; return how many records will be delivered once more."""
    (directory / "cursors").unlink(missing_ok=True)
    stored = {row.seq for row in rows if row.writer == directory.name}
    return len(stored & _numbers(directory))


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
