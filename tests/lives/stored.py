"""What a trail has left, read without it."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """Where a record stands, and what it is of."""

    writer: str
    seq: int
    id: str
    kind: str
    action: str


def in_sqlite(path: Path) -> list[Entry]:
    """The records of an SQLite database, by writer and sequence number."""
    query = f"SELECT {', '.join(Entry._fields)} FROM audit_records ORDER BY writer, seq"
    with closing(sqlite3.connect(path)) as connection:
        return list(map(Entry._make, connection.execute(query)))


def in_lines(path: Path) -> list[Entry]:
    """The records of a file of JSON lines, sorted the same way."""
    records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return sorted(Entry(**{name: record[name] for name in Entry._fields}) for record in records)


def by_writer(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """The actions of each writer in their order, after making sure that none is missing and no id stands twice."""
    entries = sorted(entries)
    writers: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        assert entry.seq == len(writers[entry.writer]), "a record is missing, or stands twice"
        writers[entry.writer].append(entry.action)
    assert len({entry.id for entry in entries}) == len(entries)
    return dict(writers)
