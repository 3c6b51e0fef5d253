"""What is compared: the bare application, and what wraps it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TypeAlias

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import ASGIApp
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal, Journal, MemoryJournal
from asgi_audit.journal.durability import Fsync
from asgi_audit.sinks import AnySink
from benchmarks.traffic import NoOp, bare

_NEVER_SECONDS = 3600.0  # sinks are served only when somebody waits for them, outside of what is measured


class Case(NamedTuple):
    """An application to serve, how it is asked, and what has it deliver all that it has recorded."""

    app: ASGIApp
    method: str = "POST"
    deliver: Callable[[], None] = lambda: None


#: What makes a case, for a while, in an empty directory.
Maker: TypeAlias = Callable[[Path], AbstractContextManager[Case]]


def nowhere(_: object) -> None:
    """A sink that does nothing, so that no sink's work is measured."""


def unwrapped(_: Path) -> AbstractContextManager[Case]:
    """The bare application."""
    return nullcontext(Case(bare))


def no_op(_: Path) -> AbstractContextManager[Case]:
    """The unit: what the least of all wrappers adds."""
    return nullcontext(Case(NoOp(bare)))


@contextmanager
def audited(
    place: Path,
    journal: Journal,
    sink: AnySink = nowhere,
    *,
    app: ASGIApp = bare,
    method: str = "POST",
    linger: float = _NEVER_SECONDS,
) -> Iterator[Case]:
    """An application with a trail, which has lost nothing in the end."""
    trail = AuditTrail(sink, journal=journal, delivery=Delivery(linger=linger, rejected=place / "rejected.jsonl"))
    with trail:
        trail.flush(60)  # from now on the lane sleeps
        yield Case(AuditMiddleware(app, trail), method, lambda: trail.flush(60))
    assert all(lane.lost == 0 and lane.pending == 0 for lane in trail.stats().sinks), trail.stats()


def skipped(place: Path) -> AbstractContextManager[Case]:
    """A request that the policy does not record."""
    return audited(place, MemoryJournal(), method="GET")


def memory(place: Path) -> AbstractContextManager[Case]:
    """Recorded into memory."""
    return audited(place, MemoryJournal())


def filed(fsync: Fsync) -> Maker:
    """Recorded into files, with an intent before."""
    return lambda place: audited(place, FileJournal(place / "journal", fsync=fsync))


def stored(place: Path) -> AbstractContextManager[Case]:
    """Recorded into files, and delivered to SQLite as it comes."""
    return audited(place, FileJournal(place / "journal"), f"sqlite:///{place / 'audit.db'}", linger=0.05)


MAKERS: dict[str, Maker] = {
    "bare": unwrapped,
    "no-op": no_op,
    "skipped": skipped,
    "memory": memory,
    "file, never": filed("never"),
    "file, interval": filed("interval"),
}
DELIVERING: dict[str, Maker] = {"file, interval, to SQLite": stored}
