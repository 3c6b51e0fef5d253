"""The queue between the request and the sinks."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from asgi_audit.record import Kind, Record


class Batch(NamedTuple):
    """Records that a lane has read, and the position to acknowledge once they are stored."""

    records: Sequence[Record]
    position: int


class Progress(NamedTuple):
    """How far a lane has come, in records since the writer began.

    The lane is done with all that stands before `acknowledged`. Of the records before `position` it has stored
    `delivered`, and never will store `given_up`: they made room for others, or were damaged. Those before `readable`
    it may read now. `held` ones are provisional, and have no position yet.
    """

    position: int
    acknowledged: int
    delivered: int
    given_up: int
    held: int
    readable: int

    @property
    def pending(self) -> int:
        """Records that the lane has yet to store, those included that are still provisional."""
        return self.position + self.held - self.delivered - self.given_up

    @property
    def waiting(self) -> bool:
        """Whether there is something to read."""
        return self.acknowledged < self.readable


class Queue(Protocol):
    """Records that each lane reads in order, at its own pace. Thread-safe; waits for nobody else's I/O."""

    def read(self, lane: str, limit: int) -> Batch:
        """The records after the lane's last acknowledged one, at most `limit`; none if there are none.

        Records that the lane has read count as given up only when it comes to read them again and they are gone.
        """

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`."""

    def progress(self, lane: str) -> Progress:
        """How far the lane has come, seen at one moment; nowhere, if the lane has no part in this queue."""


class Listener(Protocol):
    """Who hears from a journal, on any thread; what it is told while it appends itself, it hears as an exception."""

    def readable(self) -> None:
        """There is more to read."""

    def troubled(self, what: str, error: BaseException | None = None) -> None:
        """Something failed; nothing is lost by it so far."""

    def lost(self, reason: str, count: int) -> None:
        """Records that had been taken are gone."""

    def own(self, kind: Kind, data: dict[str, object]) -> Record:
        """A record of the trail's own doings, for what is found in what others have left."""


class Journal(Queue, Protocol):
    """Takes records from any thread at once. Positions count the records of this writer from 0, as `seq` does."""

    writer: str
    #: Whether what it takes outlives the process; only then are intents of use.
    durable: bool
    #: Whether a response may end only when what was appended before is on the disk.
    synchronous: bool
    #: Seconds after which nobody waits for the disk any longer.
    deadline: float

    def attach(self, lanes: Sequence[str], listener: Listener) -> None:
        """Name those who read, before anything else; the first is the primary one, for which nothing is ever given up.

        Once only: a journal serves one trail, and another one's `attach` raises `ConfigurationError`.
        """

    def intend(self, intent: Record) -> None:
        """Take what is known of a request that is about to run, under the intent's id; a raised error says it is not.

        Should the process die, its successor makes a record of it, with the outcome `interrupted`.
        """

    def cancel(self, intent: str) -> None:
        """The request has ended, and is not to be recorded after all. Never raises."""

    def append(self, record: Record, intent: str | None = None) -> None:
        """Take the record and give it the next `seq`; one held under its id is forgotten, and the intent is fulfilled.

        If there is no room, the held one takes its place; if none is held, `JournalFull` is raised.
        """

    def hold(self, record: Record, intent: str | None = None) -> None:
        """Keep a provisional record until `append` takes the final one, or `promote` makes do. Raises `JournalFull`."""

    def promote(self) -> None:
        """Append what is still held: its requests will not end any more. What is held has room, so this succeeds.

        A request that ends all the same has its record already: `append` drops the final one.
        """

    def held(self) -> frozenset[str]:
        """The ids of the provisional records."""

    def sync(self) -> None:
        """Make all that was appended readable, and as durable as it gets, before this returns."""

    def on_settled(self, done: Callable[[], None]) -> bool:
        """Call `done`, from another thread, once all that was appended is on the disk; `False` if nobody need wait."""

    def look(self) -> None:
        """Take over what dead writers have left, which may take seconds."""

    def backlog(self) -> Sequence[Queue]:
        """What was taken over and is not yet delivered."""

    def problems(self) -> list[str]:
        """What does not work now, in words."""

    def notes(self) -> list[str]:
        """What to know of this journal anyway."""

    def close(self) -> None:
        """No more is expected for now: leave nothing behind that nobody needs. It opens again by itself."""

    def renew(self) -> None:
        """Become a new writer without records, in a forked child: what there was is the parent's."""
