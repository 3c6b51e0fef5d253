"""Which records a live view has shown already."""

import time
from collections.abc import Iterable
from typing import Final

from asgi_audit.store import first_id, made_at

#: Microseconds within which a record that was made is stored, if its worker is well.
WINDOW: Final = 120_000_000
#: At more records than this in the window, the window is shortened.
_MOST: Final = 100_000


class Follower:
    """The window that is read again and again, from the id `floor` on, and the ids in it that were shown.

    The window ends at the newest id or at the clock, whichever is earlier: a writer whose clock is ahead must not move
    it past everybody else's records.
    """

    def __init__(self, floor: str) -> None:
        self.floor = floor
        self._newest = floor
        self._seen: set[str] = set()

    def unseen(self, ids: Iterable[str]) -> list[str]:
        """Those that were not here before; from now on they were."""
        new = [id_ for id_ in ids if id_ not in self._seen]
        self._seen.update(new)
        self._newest = max([self._newest, *new])
        self._advance()
        return new

    def _advance(self) -> None:
        end = min(made_at(self._newest), time.time_ns() // 1000)
        floor = max(self.floor, first_id(end - WINDOW))
        if len(self._seen) > _MOST:
            floor = max(floor, sorted(self._seen)[-_MOST])
        if floor != self.floor:
            self.floor = floor
            self._seen = {id_ for id_ in self._seen if id_ >= floor}
