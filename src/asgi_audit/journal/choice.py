"""Which journal a trail gets."""

from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import TypeAlias

from asgi_audit.errors import ConfigurationError
from asgi_audit.failures import Failures
from asgi_audit.journal.base import Journal
from asgi_audit.journal.directory import lockable
from asgi_audit.journal.file import FileJournal
from asgi_audit.journal.memory import MemoryJournal
from asgi_audit.journal.place import default_place

AnyJournal: TypeAlias = Journal | Path | str | EllipsisType | None


def choose(
    given: AnyJournal, sinks: Sequence[str], service: str | None, failures: Failures, *, required: bool, volatile: bool
) -> Journal:
    """A journal as it was given, or in a directory, or in memory; left out (`...`), in the default place.

    A directory that can't be used is said once, and memory does instead; but never with `required` rules, for which it
    is tried again with each request. Where the sinks are `volatile`, nothing need outlive the process.
    """
    if given is None:
        return MemoryJournal()
    if given is ...:
        place = None if volatile and not required else default_place(sinks, service)
        return MemoryJournal() if place is None or not lockable() else _in(place, failures, required=required)
    if isinstance(given, str | Path):
        return _in(Path(given), failures, required=required)
    if isinstance(given, type) or not hasattr(given, "acknowledge"):
        raise ConfigurationError("journal", given, 'give a directory, as in journal="/var/lib/app/audit", or a journal')
    return given


def _in(place: Path, failures: Failures, *, required: bool) -> Journal:
    journal = FileJournal(place)
    try:
        if not required:
            journal.probe()
    except OSError as error:
        failures.note(f"no journal can be in {place}: what is pending when the process dies is lost", error, str(error))
        return MemoryJournal()
    return journal
