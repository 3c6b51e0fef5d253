"""The queue between the request and the sinks."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from asgi_audit.record import Record


class Batch(NamedTuple):
    """Records that a lane has read, and the position to acknowledge once they are stored."""

    records: Sequence[Record]
    position: int


class Progress(NamedTuple):
    """How far a lane has come, in records since the writer began.

    The lane is done with all that stands before `acknowledged`. Of the records before `position` it has stored
    `delivered`, and never will store `given_up`: they made room for others. `held` ones are provisional, and have no
    position yet.
    """

    position: int
    acknowledged: int
    delivered: int
    given_up: int
    held: int

    @property
    def pending(self) -> int:
        """Records that the lane has yet to store, those included that are still provisional."""
        return self.position + self.held - self.delivered - self.given_up


class Journal(Protocol):
    """Takes records from any thread at once, and lets each lane read them in order, at its own pace.

    Every method is thread-safe and waits for nobody's I/O. Positions count the records of this writer from 0, as `seq`
    does.
    """

    writer: str
    durable: bool

    def attach(self, lanes: Sequence[str]) -> None:
        """Name those who read, before anything else; the first is the primary one, for which nothing is ever given up.

        Once only: a journal serves one trail, and another one's `attach` raises `ConfigurationError`.
        """

    def append(self, record: Record) -> None:
        """Take the record and give it the next `seq`; one held under its id is forgotten.

        If there is no room, the held one takes its place; if none is held, `JournalFull` is raised.
        """

    def hold(self, record: Record) -> None:
        """Keep a provisional record until `append` takes the final one, or `promote` makes do. Raises `JournalFull`."""

    def promote(self) -> None:
        """Append what is still held: its requests will not end any more. What is held has room, so this succeeds.

        A request that ends all the same has its record already: `append` drops the final one.
        """

    def held(self) -> frozenset[str]:
        """The ids of the provisional records."""

    def read(self, lane: str, limit: int) -> Batch:
        """The records after the lane's last acknowledged one, at most `limit`; none if there are none.

        Records that the lane has read count as given up only when it comes to read them again and they are gone.
        """

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`."""

    def progress(self, lane: str) -> Progress:
        """How far the lane has come, seen at one moment."""

    def renew(self) -> None:
        """Become a new writer without records, in a forked child: what there was is the parent's."""
