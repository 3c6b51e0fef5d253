"""Records that a sink will never accept: set aside in a file, and what stands in their place."""

from pathlib import Path
from urllib.parse import quote

import msgspec

from asgi_audit.journal import beside, state_directory
from asgi_audit.record import Record, encode
from asgi_audit.sinks.lines import append_lines


class Rejects:
    """`rejected.jsonl`: one line per record and sink, with the reason; private to its owner."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Append the record; raises `OSError` if it can't be written."""
        entry = {"sink": sink, "reason": reason, "record": msgspec.Raw(encode(record))}
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        append_lines(self.path, msgspec.json.encode(entry) + b"\n")


def default_path(primary: str, service: str | None) -> Path:
    """Beside the primary sink's SQLite file, else in the user's state directory (XDG)."""
    if (database := beside(primary)) is not None:
        return database.with_name(f"{database.name}.rejected.jsonl")
    if (state := state_directory()) is None:
        return Path("asgi-audit-rejected.jsonl").absolute()
    return state / quote(service or "default", safe="") / "rejected.jsonl"


def stub(record: Record, reason: str) -> Record:
    """What is stored in a rejected record's place: identity, time, outcome; nothing that came from outside."""
    return Record(
        v=record.v,
        id=record.id,
        writer=record.writer,
        seq=record.seq,
        kind=record.kind,
        time=record.time,
        duration_us=record.duration_us,
        action="rejected",
        outcome=record.outcome,
        salts=record.salts,
        data={"rejected": reason},
    )
