"""How the trail itself tells of what it has lost."""

import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from asgi_audit.delivery.losses import Losses
from asgi_audit.journal import Journal
from asgi_audit.record import Kind, Record

MakeOwn: TypeAlias = Callable[[Kind, dict[str, Any]], Record]


class Declaration:
    """Puts loss records into the journal: for what never came there, and for what a lane has given up. Thread-safe."""

    def __init__(self, journal: Journal, lanes: list[str], losses: Losses, make_own: MakeOwn) -> None:
        self._journal = journal
        self._losses = losses
        self._make_own = make_own
        self._lock = threading.RLock()
        self._given_up = dict.fromkeys(lanes, 0)  # as far as declared

    def declare(self) -> None:
        """Say what was lost; where there is no room to say it yet, it is said another time."""
        with self._lock:
            for lane, count in self._news().items():
                self._given_up[lane] += count
                self._losses.add("the sink was too far behind", count, lane)
            for loss, count in self._losses.take().items():
                about = {"sink": loss.sink} if loss.sink else {}
                try:
                    self._journal.append(self._make_own(Kind.LOSS, {"records": count, "reason": loss.reason, **about}))
                except Exception:  # noqa: BLE001 - the failure that lost the records has been noted
                    self._losses.give_back(loss, count)

    def undeclared(self) -> int:
        """How many lost records no loss record tells of yet."""
        with self._lock:
            return self._losses.undeclared() + sum(self._news().values())

    def _news(self) -> dict[str, int]:
        counts = {lane: self._journal.progress(lane).given_up - known for lane, known in self._given_up.items()}
        return {lane: count for lane, count in counts.items() if count > 0}
