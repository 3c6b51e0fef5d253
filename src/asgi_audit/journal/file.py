"""The journal in files: what it has taken survives `kill -9`, and as far as it was synced, a power cut."""

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, get_args

from asgi_audit.errors import ConfigurationError, JournalFull
from asgi_audit.interruption import Step
from asgi_audit.journal import tape
from asgi_audit.journal.backlog import Backlog
from asgi_audit.journal.base import Batch, Listener, Progress, Queue
from asgi_audit.journal.cursors import Cursor, Cursors
from asgi_audit.journal.directory import WriterDirectory, lockable
from asgi_audit.journal.durability import Durability, Fsync
from asgi_audit.journal.filesystem import remark
from asgi_audit.journal.intake import Intake
from asgi_audit.journal.log import Log
from asgi_audit.journal.segment import FORMAT, Header
from asgi_audit.record import Record, encode

_LEAST_BYTES: Final = 2**14  # an eighth of it must hold a few loss records


class FileJournal:
    """A directory in which each process has one of its own; see `Journal`. Needs a local disk and POSIX.

    `fsync`: `never` leaves it to the system when the disk has what was written; with `interval` a power cut takes at
    most the last 0.2 s; with `always` a response ends only when its record is on the disk. `max_bytes` is for all that
    waits for the sinks here. Where it takes longer than `deadline` seconds to have something on the disk, required
    requests are refused and others go on. Makes nothing before the first record.
    """

    durable = True
    _listener: Listener
    _log: Log
    _backlog: Backlog
    _cursors: Cursors | None
    _durability: Durability

    def __init__(
        self, path: Path | str, *, fsync: Fsync = "interval", max_bytes: int = 2**30, deadline: float = 2.0
    ) -> None:
        if fsync not in get_args(Fsync):
            raise ConfigurationError("fsync", fsync, f"give one of {', '.join(get_args(Fsync))}")
        if max_bytes < _LEAST_BYTES:
            raise ConfigurationError("max_bytes", max_bytes, f"give the journal some room, at least {_LEAST_BYTES}")
        if not deadline > 0:
            raise ConfigurationError("deadline", deadline, "give a time above 0, in seconds")
        if not lockable():  # pragma: no cover - Windows
            raise ConfigurationError("journal", str(path), "a journal in files needs POSIX locks; give journal=None")
        self.path = Path(path).absolute()
        self.synchronous = fsync == "always"
        self.deadline = deadline
        self._fsync = fsync
        self._max_bytes = max_bytes
        self._lanes: tuple[str, ...] = ()
        self._set_up()

    def probe(self) -> None:
        """See whether the directory can be used. Raises `OSError`."""
        WriterDirectory.build(self.path, self.writer).remove()

    def attach(self, lanes: Sequence[str], listener: Listener) -> None:
        """Name those who read; the first is the primary one."""
        if self._lanes:
            raise ConfigurationError("journal", self, "a journal serves one trail; give each trail its own")
        self._lanes, self._listener = tuple(lanes), listener
        self._set_up()

    def renew(self) -> None:
        """Become a new writer; the parent's directory and lock are left alone."""
        self._log.release()
        self._backlog.release()
        self._set_up()

    def intend(self, intent: Record) -> None:
        """Write down what is about to run."""
        self._do(self._intake.intend, intent.id, encode(intent))

    def cancel(self, intent: str) -> None:
        """Write down that it is not to be recorded."""
        self._do(self._intake.cancel, intent)

    def append(self, record: Record, intent: str | None = None) -> None:
        """Take the record, or the one held under its id, or raise `JournalFull` or `OSError`."""
        self._do(self._intake.take, record.id, encode(record), intent, loss="made in the middle of making another")

    def hold(self, record: Record, intent: str | None = None) -> None:
        """Keep a provisional record until the final one comes."""
        self._do(self._intake.hold, record.id, encode(record), intent)

    def promote(self) -> None:
        """Append what is still held. Where that can't be, a successor will: it is on record as provisional."""
        try:
            self._do(self._intake.promote)
        except OSError as error:
            self._listener.troubled("provisional records could not be made final", error)

    def held(self) -> frozenset[str]:
        """The ids of the provisional records."""
        with self._lock, self._step:
            return frozenset(self._intake.held)

    def read(self, lane: str, limit: int) -> Batch:
        """The lane's next records, at most `limit`."""
        with self._lock, self._step:
            reader = self._readers[lane]
            reader.skip(self._log.first)
            start, until = reader.acknowledged, self._durability.readable
            segments = list(self._log.segments)
            reader.handed = min(until, start + limit)  # what makes room from now on is read before
        if start >= until:
            return Batch([], start)
        stretch = tape.read(segments, reader.place, start, until, limit)
        with self._lock, self._step:
            reader.hand(stretch)
        return Batch(stretch.records, stretch.position)

    def acknowledge(self, lane: str, position: int) -> None:
        """The lane has stored everything before `position`. What a cursor on the disk does not know is kept."""
        with self._lock, self._step:
            reader = self._readers[lane]
            reader.acknowledge(position, self._log.first)
            needless, directory = min(each.acknowledged for each in self._readers.values()), self._log.directory
        if directory is None:
            return
        try:
            self._cursors = self._cursors or Cursors(directory.path)
            self._cursors.save(Cursor(lane, reader.acknowledged))
            self._needless = needless
            self._let_go()
        except OSError as error:
            self._listener.troubled("a cursor could not be saved: what is stored may be delivered again", error)

    def progress(self, lane: str) -> Progress:
        """How far the lane has come."""
        with self._lock, self._step:
            return self._readers[lane].progress(
                first=self._log.first,
                position=self._log.position,
                readable=self._durability.readable,
                held=len(self._intake.held),
            )

    def sync(self) -> None:
        """Wait until the disk has all that was appended, or has failed a few times. What is appended next is tried."""
        self._log.hurry()
        self._durability.sync()

    def on_settled(self, done: Callable[[], None]) -> bool:
        """Call `done` once the disk has all that was appended, if the journal is synchronous."""
        return self.synchronous and self._durability.on_settled(done)

    def look(self) -> None:
        """Take over what dead writers have left, and see whether our own directory still stands."""
        self._backlog.look()
        self._durability.sync()

    def backlog(self) -> Sequence[Queue]:
        """What was taken over and is not yet delivered."""
        return self._backlog.estates

    def problems(self) -> list[str]:
        """Why nothing can be written now."""
        trouble = self._log.trouble or self._durability.unsafe
        return [] if trouble is None else [f"journal {self.path}: {trouble.strerror or trouble}"]

    def notes(self) -> list[str]:
        """What the file system does not promise, and what waits here for others."""
        left = self._backlog.left
        said = f"{left} writers' directories wait for other sinks or versions: asgi-audit journal ls {self.path}"
        return remark(self.path) + ([said] if left else [])

    def close(self) -> None:
        """Remove the writer's directory, if all is delivered; let others have what dead writers have left."""
        self.sync()
        try:
            with self._durability.busy, self._lock, self._step:
                readers = self._readers.values()
                delivered = not self._intake.held and all(each.acknowledged == self._log.position for each in readers)
                self._log.finish(delivered=delivered)
                self._cursors = None
        except OSError as error:
            self._listener.troubled("the journal could not be closed in good order", error)
        self._backlog.release()

    def _set_up(self) -> None:
        self.writer = os.urandom(16).hex()
        self._lock = threading.RLock()
        self._step = Step(self._lock)
        self._readers = {lane: tape.TapeReader() for lane in self._lanes}
        self._needless = 0  # the position before which every lane's cursor on the disk has passed
        self._cursors = None
        self._log = Log(
            self.path,
            Header(format=FORMAT, writer=self.writer, lanes=self._lanes, first=0),
            self._max_bytes,
            lambda: {lane: reader.acknowledged for lane, reader in self._readers.items()},
            lambda: self._backlog.bytes,
            confirm=self._fsync != "never",
        )
        self._intake = Intake(self._log)
        if self._lanes:
            self._backlog = Backlog(self.path, self._lanes, self._listener)
            self._durability = Durability(
                self._log, self._fsync, self._lock, self._step, self._listener, self._let_go_if_possible
            )

    def _do(self, work: Callable[..., None], *arguments: object, loss: str | None = None) -> None:
        """Do it now; if it is our own thread that we interrupt, it does it, when nobody can be told any more."""
        if self._step.interrupted:
            self._step.put_off(partial(self._quietly, work, arguments, loss))
        else:
            self._step.run(work, *arguments)
            if not self._durability.woken:
                self._step.run(self._durability.wake)
        if self._fsync == "never":
            self._listener.readable()

    def _quietly(self, work: Callable[..., None], arguments: tuple[object, ...], loss: str | None) -> None:
        try:
            work(*arguments)
        except (OSError, JournalFull):
            if loss is not None:
                self._listener.lost(loss, 1)

    def _let_go(self) -> None:
        with self._lock, self._step:
            needless, due = self._needless, self._log.trouble is not None or self._log.passed(self._needless)
        if due and (cursors := self._cursors) is not None:
            if self._fsync != "never":
                cursors.sync()  # else, after a power cut, what is stored, and gone, would be taken for lost
            with self._lock, self._step:
                self._log.forget(needless)
                self._durability.wake()

    def _let_go_if_possible(self) -> None:
        with suppress(OSError):  # what can't be let go of now has another time
            self._let_go()
