"""What could not be kept: counted until a loss record in the trail declares it."""

import threading
from collections import Counter
from functools import partial
from typing import NamedTuple

from asgi_audit.interruption import Step


class Loss(NamedTuple):
    """Records that are gone: for one sink, or, without one, for all."""

    reason: str
    sink: str | None = None


class Losses:
    """Counts of lost records by reason and sink. Thread-safe."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Start from nothing, in a forked child."""
        self._lock = threading.RLock()
        self._step = Step(self._lock)
        self._total: Counter[Loss] = Counter()
        self._undeclared: Counter[Loss] = Counter()

    def add(self, reason: str, count: int = 1, sink: str | None = None) -> None:
        """Count records as lost."""
        loss = Loss(reason, sink)
        if self._step.interrupted:
            self._step.put_off(partial(self._add, loss, count))
            return
        self._step.run(self._add, loss, count)

    def take(self) -> dict[Loss, int]:
        """What is to be declared; whoever takes it declares it, or gives it back."""
        with self._lock, self._step:
            taken, self._undeclared = self._undeclared, Counter()
        return taken

    def give_back(self, loss: Loss, count: int) -> None:
        """A loss could not be declared yet."""
        with self._lock, self._step:
            self._undeclared[loss] += count

    def undeclared(self) -> int:
        """How many lost records no loss record in the trail tells of yet."""
        with self._lock, self._step:
            return self._undeclared.total()

    def total(self, sink: str | None = None) -> int:
        """How many records are lost for a sink; without one, those lost for all."""
        with self._lock, self._step:
            return sum(count for loss, count in self._total.items() if loss.sink == sink)

    def _add(self, loss: Loss, count: int) -> None:
        self._total[loss] += count
        self._undeclared[loss] += count
