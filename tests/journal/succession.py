"""Writers that die, and those who take over what they leave, all in one process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asgi_audit.journal import FileJournal, Queue
from asgi_audit.journal.backlog import Backlog
from asgi_audit.record import Kind, Record
from tests.contracts.journal_contract import Listening

LANES = ("first", "second")


def begin(place: Path, lanes: Sequence[str] = LANES, **options: Any) -> FileJournal:
    """A journal with these lanes."""
    journal = FileJournal(place, **options)
    journal.attach(lanes, Listening())
    return journal


def die(journal: FileJournal) -> None:
    """Leave all as it stands, and let go of the lock, as a process does that is killed. No sync is under way then."""
    with journal._durability.busy:
        journal.renew()


def directory_of(journal: FileJournal) -> Path:
    """Where it writes."""
    return journal.path / journal.writer


def delivered(queue: Queue, lane: str, limit: int = 1000) -> list[Record]:
    """Read and acknowledge what a lane has in one queue."""
    records: list[Record] = []
    while (batch := queue.read(lane, limit)).records:
        records += batch.records
        queue.acknowledge(lane, batch.position)
    return records


def inherit(place: Path, lanes: Sequence[str] = LANES) -> dict[str, list[Record]]:
    """Take over all that dead writers have left, and let every lane have it."""
    listener = Listening()
    backlog = Backlog(place, lanes, listener)
    backlog.look()
    assert not listener.troubles
    estates = backlog.estates
    inherited = {lane: [each for estate in estates for each in delivered(estate, lane)] for lane in lanes}
    backlog.release()
    return inherited


def losses(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What they say of losses."""
    return [each.data or {} for each in records if each.kind is Kind.LOSS]


def closes(records: Sequence[Record]) -> list[dict[str, Any]]:
    """What they say of ends."""
    return [each.data or {} for each in records if each.kind is Kind.CLOSE]


def content_of(segment: Path) -> bytes:
    """What was written to it."""
    return segment.read_bytes().rstrip(b"\0")
