"""The outbox: the journal, its lanes, and the thread that runs them."""

import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from asgi_audit import process
from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.declaration import Declaration, MakeOwn
from asgi_audit.delivery.lane import Lane
from asgi_audit.delivery.mishaps import Mishaps
from asgi_audit.delivery.options import Delivery
from asgi_audit.delivery.sealing import SealingRoutine
from asgi_audit.delivery.worker import Worker, delivering
from asgi_audit.errors import FlushTimeout, JournalFull
from asgi_audit.health import Stats
from asgi_audit.interruption import held_here
from asgi_audit.journal import Journal
from asgi_audit.record import Kind, Record
from asgi_audit.sinks import Sink

_EXIT_SECONDS = 5.0


class Outbox:
    """Takes records from any thread and delivers them to every sink. No journal and no sink makes it raise."""

    _lanes: list[Lane]
    _worker: Worker | None
    _closing: threading.RLock
    _starting: bool

    def __init__(
        self,
        sinks: dict[str, Sink],
        journal: Journal,
        options: Delivery,
        mishaps: Mishaps,
        make_own: MakeOwn,
        sealing: SealingRoutine | None = None,
    ) -> None:
        self._sinks = sinks
        self._journal = journal
        self._options = options
        self._mishaps = mishaps
        self._make_own = make_own
        self._sealing = sealing
        self._inherited: list[Worker | None] = []
        self._set_up()
        journal.attach(list(sinks), self)
        process.on_fork(self._renew)
        process.on_exit(self._leave)

    @property
    def running(self) -> bool:
        """Whether there is nothing to run, or it runs."""
        return self._worker is None or not self._worker.ended or self._worker.bell.closing

    def intend(self, intent: Record) -> None:
        """Have a request on record before it runs. Raises if that can't be."""
        if delivering.get():
            raise RuntimeError("what a sink's own work does is not recorded")
        self._run()
        self._journal.intend(intent)

    def cancel(self, intent: str) -> None:
        """The request is not to be recorded after all."""
        self._journal.cancel(intent)

    def put(self, record: Record, intent: str | None = None) -> None:
        """Take a record for delivery, which fulfils the intent."""
        if delivering.get():
            self._mishaps.failures.note("a sink's own work made a record, which was left out")
            return
        self._run()  # first, so that the trail begins with the record of its opening
        self._append(record, intent)
        if self._unsaid:
            self._say()
        self._run()  # again, for a close that came between the two would leave the record undelivered

    def hold(self, record: Record, intent: str | None = None) -> None:
        """Keep a provisional record, for want of a final one with the same id. Raises if there is no room for it."""
        if not delivering.get():
            self._run()
            self._journal.hold(record, intent)

    def open(self) -> None:
        """See to it that the thread runs, and is awake."""
        self._run()
        self.readable()

    def readable(self) -> None:
        """The journal has more to read."""
        if (worker := self._worker) is not None:
            worker.bell.ring()

    def troubled(self, what: str, error: BaseException | None = None) -> None:
        """The journal says that something failed."""
        self._mishaps.failures.note(what, error)

    def lost(self, reason: str, count: int) -> None:
        """The journal says that records are gone."""
        self._mishaps.losses.add(reason, count)

    def own(self, kind: Kind, data: dict[str, Any]) -> Record:
        """A record of what the journal has found."""
        return self._make_own(kind, data)

    def flush(self, timeout: float) -> None:
        """Block until every sink has stored what was put before, and told of what was lost; raises `FlushTimeout`."""
        if self._called_by_sink():
            return
        self._declare()
        self._journal.sync()
        if pending := self._pending():
            self.open()
        if (worker := self._worker) is None:
            if pending:
                raise FlushTimeout(timeout, pending)
            return
        worker.bell.hurry()
        try:
            if not self._wait(worker.bell, time.monotonic() + timeout):
                raise FlushTimeout(timeout, self._pending())
        finally:
            worker.bell.relax()

    def close(self, timeout: float) -> None:
        """Deliver for at most `timeout` seconds, close the sinks, end the thread. What is left is logged, and kept."""
        if self._called_by_sink() or held_here(self._closing):
            return
        with self._closing:
            self._journal.sync()  # which makes a journal that has failed try again: there may be something to declare
            with self._lock:
                if (worker := self._worker) is None:
                    return
                self._declare()
                self._guarded(self._journal.promote)
                self._announced = False
                self._append(self._make_own(Kind.CLOSE, {"records": self._position()}))
                end = self._position()
            self._journal.sync()
            worker.stop(timeout)
            # Until it has ended, no other may begin: two would call one sink at a time.
            with self._lock:
                if worker.ended and self._worker is worker:
                    self._worker = None
        self._say()
        self._journal.close()
        if pending := self._pending():
            self._mishaps.failures.note("closed before all was delivered", detail=str(FlushTimeout(timeout, pending)))
            if self._position() > end:  # what was put meanwhile opens it again
                self.open()

    def stats(self, failures: dict[str, int]) -> Stats:
        """The counts of all lanes."""
        sinks = [lane.stats(self._mishaps.losses.total()) for lane in self._lanes]
        return Stats(
            writer=self._journal.writer,
            accepted=sinks[0].accepted,
            undeclared=self._declaration.undeclared(),
            sinks=sinks,
            failures=failures,
        )

    def _run(self) -> None:
        worker = self._worker
        if worker is None or worker.ended:
            with self._lock:
                self._start()
            self._say()
            self.readable()

    def _start(self) -> None:
        """Start the thread unless it runs, or it is this that we interrupt."""
        if self._starting:
            return
        try:
            self._starting = True
            if self._worker is None or self._worker.ended:
                self._worker = self._new_worker()
        finally:
            self._starting = False

    def _new_worker(self) -> Worker | None:
        if not self._announced:
            self._announced = True
            self._append(
                self._make_own(Kind.OPEN, {"pid": os.getpid(), "host": platform.node(), "sinks": list(self._sinks)})
            )
        try:
            worker = Worker(self._lanes, self._journal, self._declare, self._sealing)
            worker.start()
        except (RuntimeError, OSError) as error:  # no more threads or files, or the interpreter is about to end
            self._unsaid.append(("the delivery thread could not be started", error))
            return None
        return worker

    def _append(self, record: Record, intent: str | None = None) -> None:
        self._guarded(self._journal.append, record, intent)

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except JournalFull:
            self._mishaps.losses.add("the journal was full")
            self._unsaid.append(("the journal is full: records are lost", None))
        except Exception as error:  # noqa: BLE001 - a journal may fail as any file may; the request must not
            self._mishaps.losses.add("the journal failed")
            self._unsaid.append(("the journal failed: records are lost", error))

    def _say(self) -> None:
        """Note what failed while the lock was held: log handlers may record, and have locks of their own."""
        with suppress(IndexError):
            while True:
                self._mishaps.failures.note(*self._unsaid.popleft())

    def _wait(self, bell: Bell, deadline: float) -> bool:
        held = self._journal.held()
        done = bell.wait_until(lambda: not held & self._journal.held(), deadline)
        for _ in range(2):  # once the sinks have got so far, there is room to declare what was lost
            self._journal.sync()
            done = bell.wait_until(partial(self._reached, self._position()), deadline) and done
            self._declare()
            bell.ring()
        return done

    def _called_by_sink(self) -> bool:
        if delivering.get():
            self._mishaps.failures.note("a sink wanted to wait for its own delivery")
        return delivering.get()

    def _declare(self) -> None:
        self._declaration.declare()

    def _reached(self, target: int) -> bool:
        return all(self._journal.progress(lane.name).acknowledged >= target for lane in self._lanes)

    def _position(self) -> int:
        return self._journal.progress(self._lanes[0].name).position

    def _pending(self) -> dict[str, int]:
        counts = {lane.name: self._journal.progress(lane.name).pending for lane in self._lanes}
        return {sink: count for sink, count in counts.items() if count}

    def _set_up(self) -> None:
        self._lock = threading.RLock()
        self._starting = False
        self._unsaid: deque[tuple[str, Exception | None]] = deque()
        self._closing = threading.RLock()  # so that a signal handler can tell that its own thread is closing
        self._worker: Worker | None = None
        self._announced = False  # whether a record of the opening stands at the beginning
        self._declaration = Declaration(self._journal, list(self._sinks), self._mishaps.losses, self._make_own)
        # While the thread runs, its lanes keep the outbox alive, which is then emptied at exit even if it was dropped.
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
