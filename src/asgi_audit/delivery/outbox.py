"""The outbox: the journal, its lanes, and the thread that runs them."""

import os
import platform
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from asgi_audit import process
from asgi_audit.delivery.lane import Lane
from asgi_audit.delivery.mishaps import Mishaps
from asgi_audit.delivery.options import Delivery
from asgi_audit.delivery.worker import Worker, delivering
from asgi_audit.errors import FlushTimeout, JournalFull
from asgi_audit.health import SinkStats, Stats
from asgi_audit.journal import Journal
from asgi_audit.record import Kind, Record
from asgi_audit.sinks import Sink

MakeOwn: TypeAlias = Callable[[Kind, dict[str, Any]], Record]

_EXIT_SECONDS = 5.0


class Outbox:
    """Takes records from any thread and delivers them to every sink. No journal and no sink makes it raise."""

    _lanes: list[Lane]
    _worker: Worker | None
    _declared: dict[str, int]

    def __init__(
        self, sinks: dict[str, Sink], journal: Journal, options: Delivery, mishaps: Mishaps, make_own: MakeOwn
    ) -> None:
        self._sinks = sinks
        self._journal = journal
        self._options = options
        self._mishaps = mishaps
        self._make_own = make_own
        self._inherited: list[Worker | None] = []
        self._set_up()
        process.on_fork(self._renew)
        process.on_exit(self._leave)

    @property
    def running(self) -> bool:
        """Whether there is nothing to run, or it runs."""
        return self._worker is None or self._worker.alive

    def put(self, record: Record) -> None:
        """Take a record for delivery."""
        if delivering.get():
            self._mishaps.failures.note("a sink's own work made a record, which was left out")
            return
        self.open()  # first, so that the trail begins with the record of its opening
        self._append(record)
        self.open()  # again, for a close that came between the two would leave the record undelivered

    def hold(self, record: Record) -> None:
        """Keep a provisional record, for want of a final one with the same id."""
        self.open()
        self._journal.hold(record)

    def open(self) -> None:
        """See to it that the thread runs, and is awake."""
        if self._worker is None:
            with self._lock:
                if self._worker is None:
                    self._start()
        if (worker := self._worker) is not None:
            worker.bell.ring()

    def flush(self, timeout: float) -> None:
        """Block until all that was put before is stored by every sink; raises `FlushTimeout`."""
        deadline = time.monotonic() + timeout
        if self._pending():
            self.open()
        if (worker := self._worker) is None:
            return
        held = self._journal.held()
        worker.bell.hurry()
        try:
            ended = worker.bell.wait_until(lambda: not held & self._journal.held(), timeout)
            target = self._journal.progress(self._lanes[0].name).position
            remaining = max(0.0, deadline - time.monotonic())
            if not (worker.bell.wait_until(lambda: self._reached(target), remaining) and ended):
                raise FlushTimeout(timeout, self._pending())
        finally:
            worker.bell.relax()

    def close(self, timeout: float) -> None:
        """Deliver for at most `timeout` seconds, close the sinks, end the thread. What is left is logged, and kept."""
        with self._lock:
            worker, self._worker = self._worker, None
            if worker is None:
                return
            self._guarded(self._journal.promote)
            self._append(self._make_own(Kind.CLOSE, {"records": self._journal.progress(self._lanes[0].name).position}))
        worker.stop(timeout)
        if pending := self._pending():
            self._mishaps.failures.note("closed before all was delivered", detail=str(FlushTimeout(timeout, pending)))

    def stats(self, failures: dict[str, int]) -> Stats:
        """The counts of all lanes."""
        refused = self._mishaps.losses.total()
        sinks = []
        for lane in self._lanes:
            progress = self._journal.progress(lane.name)
            sinks.append(
                SinkStats(
                    name=lane.name,
                    accepted=progress.position + progress.held + refused,
                    delivered=progress.acknowledged - progress.given_up,
                    pending=progress.pending,
                    lost=progress.given_up + refused,
                    rejected=lane.rejected,
                    failed_attempts=lane.failed_attempts,
                    last_error=lane.last_error,
                )
            )
        undeclared = self._mishaps.losses.undeclared() + sum(self._given_up().values())
        return Stats(
            writer=self._journal.writer,
            accepted=sinks[0].accepted,
            undeclared=undeclared,
            sinks=sinks,
            failures=failures,
        )

    def _start(self) -> None:
        self._append(
            self._make_own(Kind.OPEN, {"pid": os.getpid(), "host": platform.node(), "sinks": list(self._sinks)})
        )
        try:
            self._worker = Worker(self._lanes)
        except RuntimeError as error:  # no more threads, or the interpreter is about to end
            self._mishaps.failures.note("the delivery thread could not be started", error)

    def _append(self, record: Record) -> None:
        self._guarded(lambda: self._journal.append(record))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except JournalFull:
            self._mishaps.losses.add("the journal was full")
            self._mishaps.failures.note("the journal is full: records are lost")
        except Exception as error:  # noqa: BLE001 - a journal may fail as any file may; the request must not
            self._mishaps.losses.add("the journal failed")
            self._mishaps.failures.note("the journal failed: records are lost", error)

    def _declare(self) -> None:
        """Say in the trail what was lost, as soon as there is room to say it."""
        for sink, count in self._given_up().items():
            self._declared[sink] += count
            self._mishaps.losses.add("the sink was too far behind", count, sink)
        for loss, count in self._mishaps.losses.take().items():
            about = {"sink": loss.sink} if loss.sink else {}
            try:
                self._journal.append(self._make_own(Kind.LOSS, {"records": count, "reason": loss.reason, **about}))
            except Exception:  # noqa: BLE001 - the failure that lost the records has been noted
                self._mishaps.losses.give_back(loss, count)
        if self._worker is not None:
            self._worker.bell.ring()

    def _given_up(self) -> dict[str, int]:
        counts = {
            lane.name: self._journal.progress(lane.name).given_up - self._declared[lane.name] for lane in self._lanes
        }
        return {sink: count for sink, count in counts.items() if count}

    def _reached(self, target: int) -> bool:
        return all(self._journal.progress(lane.name).acknowledged >= target for lane in self._lanes)

    def _pending(self) -> dict[str, int]:
        counts = {lane.name: self._journal.progress(lane.name).pending for lane in self._lanes}
        return {sink: count for sink, count in counts.items() if count}

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self._worker = None
        self._journal.attach(list(self._sinks))
        self._declared = dict.fromkeys(self._sinks, 0)
        self._lanes = [
            Lane(name, sink, self._journal, self._options, self._mishaps, self._declare)
            for name, sink in self._sinks.items()
        ]

    def _renew(self) -> None:
        # The parent's thread is not here, but its loop is: closing that would disturb the parent's, so it is only kept.
        self._inherited.append(self._worker)
        self._journal.renew()
        self._mishaps.losses.renew()
        self._set_up()

    def _leave(self) -> None:
        self.close(_EXIT_SECONDS)
