"""Waiting for the journal's disk."""

from collections.abc import Callable
from typing import Final
from weakref import WeakSet

from asgi_audit.failures import Failures
from asgi_audit.journal import Journal
from asgi_audit.waiting import called_within

_MOST_WAITING: Final = 16384


class Settling:
    """Waits for what was appended, for many requests at once.

    A journal knows no way to give up waiting, so a disk that never answers keeps those who have given up. They are
    counted, and past a limit nobody waits any more.
    """

    def __init__(self, journal: Journal, failures: Failures) -> None:
        self._journal = journal
        self._failures = failures
        self._waiting: WeakSet[Callable[[], None]] = WeakSet()  # weak: who is called, or dropped, is not kept here

    async def wait(self) -> bool:
        """Wait until all that was appended is on the disk, at most for the journal's deadline; whether it is."""
        try:
            free = len(self._waiting) < _MOST_WAITING
            settled = free and await called_within(self._journal.deadline, self._subscribe)
        except Exception as error:  # noqa: BLE001 - a journal may fail as any file may; the response must not
            self._failures.note("the journal can't say when it is on the disk", error)
            return False
        if not settled:
            self._failures.note("the journal was not on the disk within its deadline")
        return settled

    def _subscribe(self, wake: Callable[[], None]) -> bool:
        if not self._journal.on_settled(wake):
            return False
        self._waiting.add(wake)
        return True
