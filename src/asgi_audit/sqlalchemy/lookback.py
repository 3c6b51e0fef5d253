"""From which id on a pass looks for records that are not sealed yet.

A record may be committed long after its id was made. So a pass looks back behind the newest sealed id: two minutes each
time, an hour once a minute, and over everything at the start and once an hour. To look at everything costs nearly a
second for a million records; the two minutes cost milliseconds, whatever the size.
"""

import time
from typing import Final

from asgi_audit.store import first_id, made_at

_NEAR: Final = 120_000_000  # microseconds
_FAR: Final = 3_600_000_000
_FAR_EVERY: Final = 60.0  # seconds
_ALL_EVERY: Final = 3600.0


class Lookback:
    """Remembers when what was last looked at. `done` counts only what went well."""

    def __init__(self) -> None:
        self._far_due = self._all_due = self._far_next = self._all_next = 0.0

    def floor(self, newest: str | None) -> str | None:
        """Where to begin, given the newest sealed id; None for the very beginning."""
        now = time.monotonic()
        self._far_next, self._all_next = self._far_due, self._all_due
        end = None if newest is None else _moment(newest)
        if end is None or now >= self._all_due:
            self._far_next, self._all_next = now + _FAR_EVERY, now + _ALL_EVERY
            return None
        # A clock that is ahead, ours or a writer's, must not move the window past everybody else's records.
        end = min(end, time.time_ns() // 1000)
        if now >= self._far_due:
            self._far_next = now + _FAR_EVERY
            return first_id(end - _FAR)
        return first_id(end - _NEAR)

    def done(self) -> None:
        """All from there on was seen."""
        self._far_due, self._all_due = self._far_next, self._all_next


def _moment(id_: str) -> int | None:
    try:
        return made_at(id_)
    except ValueError:  # somebody has put it there
        return None
