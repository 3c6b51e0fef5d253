"""Looks after what dead writers have left in the journal's place, in a thread of its own: recovery may take seconds."""

import threading
from collections.abc import Callable
from contextlib import suppress

from asgi_audit.delivery.bell import Bell
from asgi_audit.journal import Journal

_LOOK_SECONDS = 3.0
_BUSY_SECONDS = 0.5  # while there is a backlog, of which there may be more than can be taken at a time
_LAST_MOMENT = 0.1  # seconds, in which it ends unless there is a recovery going on


class Custodian:
    """Looks now and every few seconds, until it is told to stop; for one time only."""

    def __init__(self, journal: Journal, declare: Callable[[], None], bell: Bell) -> None:
        self._journal = journal
        self._declare = declare
        self._bell = bell
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if there may be anything to find; if there can't be one, another process will look."""
        if self._journal.durable:
            thread = threading.Thread(target=self._run, name="asgi-audit-custodian", daemon=True)
            with suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """Look no more. A recovery that is going on is left to itself: another process will do it again."""
        self._stopped.set()
        if self._thread not in {None, threading.current_thread()}:
            self._thread.join(_LAST_MOMENT)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._journal.look()
            self._declare()  # there may be room again to say what was lost, and nothing else to say
            self._bell.ring()
            self._stopped.wait(_BUSY_SECONDS if self._journal.backlog() else _LOOK_SECONDS)
