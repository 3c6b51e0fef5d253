"""What dead writers have left, as a journal from which a lane delivers."""

from collections.abc import Sequence
from pathlib import Path

from asgi_audit.journal import Batch, Listener, MemoryJournal, Progress, Queue
from asgi_audit.journal.backlog import Backlog
from asgi_audit.journal.estate import Estate


class Consignment:
    """One dead writer's estate, read under the name of the sink that it is for now; counts what was delivered."""

    def __init__(self, estate: Estate, lane: str) -> None:
        self.writer = estate.name
        self.delivered = 0
        self._estate = estate
        self._lane = lane
        self._read = 0

    def read(self, lane: str, limit: int) -> Batch:  # noqa: ARG002 - see Queue
        """The next records."""
        batch = self._estate.read(self._lane, limit)
        self._read = len(batch.records)
        return batch

    def acknowledge(self, lane: str, position: int) -> None:  # noqa: ARG002 - see Queue
        """They are stored."""
        self._estate.acknowledge(self._lane, position)
        self.delivered += self._read

    def progress(self, lane: str) -> Progress:  # noqa: ARG002 - see Queue
        """How far it has come."""
        return self._estate.progress(self._lane)


class Shipment(MemoryJournal):
    """A journal whose backlog is what waits in `places` for the lane `old`. Its own records are about losses alone."""

    def __init__(self, places: Sequence[Path], old: str) -> None:
        super().__init__()
        self.consignments: dict[Estate, Consignment] = {}
        self._places = places
        self._old = old
        self._backlogs: list[Backlog] = []

    @property
    def delivered(self) -> int:
        """How many records the sink has stored."""
        return sum(each.delivered for each in self.consignments.values())

    def attach(self, lanes: Sequence[str], listener: Listener) -> None:
        """Name who reads, and who hears of it."""
        super().attach(lanes, listener)
        self._backlogs = [Backlog(place, [self._old], listener) for place in self._places]

    def look(self) -> None:
        """Take over what is free."""
        for backlog in self._backlogs:
            backlog.look()

    def backlog(self) -> Sequence[Queue]:
        """What was taken over and is not yet delivered."""
        estates = [estate for backlog in self._backlogs for estate in backlog.estates]
        for estate in estates:
            if estate not in self.consignments:
                self.consignments[estate] = Consignment(estate, self._old)
        return [self.consignments[estate] for estate in estates]

    def release(self) -> None:
        """Leave the rest to others."""
        for backlog in self._backlogs:
            backlog.release()
