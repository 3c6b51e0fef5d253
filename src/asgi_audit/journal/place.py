"""Where a trail keeps its files if nobody has said where: beside its database, else in the user's state directory."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec


def beside(sink: str) -> Path | None:
    """The file of an SQLite sink, beside which there is room for more."""
    scheme, separator, file = sink.partition(":///")
    if separator and scheme == "sqlite" and file and not file.startswith((":", "file:")):
        return Path(file).absolute()
    return None


def state_directory() -> Path | None:
    """That of the user (XDG Base Directory Specification); a container's user may have none."""
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return Path(state, "asgi-audit")


def default_place(sinks: Sequence[str], service: str | None) -> Path | None:
    """A directory for the journals of all processes that deliver the same service's records to the same sinks.

    Others must not deliver what they have left, so the name ends in a hash. Sinks as a logger are no service's own:
    where none is named, the working directory stands for it.
    """
    database = beside(sinks[0])
    mark = hashlib.sha256(msgspec.json.encode([service, sinks, _owner(sinks[0], service)])).hexdigest()[:8]
    if database is not None:
        return database.with_name(f"{database.name}.journal-{mark}")
    state = state_directory()
    return None if state is None else state / f"{quote(service or 'default', safe='')}-{mark}"


def _owner(primary: str, service: str | None) -> str | None:
    return None if service is not None or "://" in primary else str(Path.cwd())
