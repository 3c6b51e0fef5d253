"""One sink's own reader of the journal: batch, attempt, retry, acknowledge.

Rule 1: never two calls into a sink at a time, however long one hangs; a call past its deadline has failed, is
        cancelled, and is then waited for. If it returns after all, its records are stored.
Rule 2: a batch is acknowledged only when the sink has returned.
Rule 3: what the sink rejects is searched for by halving the batch. A record that is rejected alone is set aside once a
        stub has taken its place. If the sink takes neither stub nor neighbour, it is not the record: that is an outage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from asgi_audit.delivery.backoff import Backoff
from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.mishaps import Mishaps
from asgi_audit.delivery.options import Delivery
from asgi_audit.delivery.rejects import stub
from asgi_audit.errors import RecordRejected
from asgi_audit.health import SinkStats
from asgi_audit.journal import Journal, Queue
from asgi_audit.record import Record
from asgi_audit.sinks.base import Sink


class _DeadlineMissed(Exception):  # noqa: N818 - as the other errors are named
    """The call into the sink has failed, and that has been said."""


class Lane:
    """Delivers the journal to one sink. It runs in the delivery thread; the counts may be read from anywhere."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        journal: Journal,
        options: Delivery,
        mishaps: Mishaps,
        progressed: Callable[[], None],
    ) -> None:
        self.name = name
        self.rejected = 0
        self.failed_attempts = 0
        self.last_error: str | None = None  # of the last attempt, None if it went well
        self._sink = sink
        self._journal = journal
        self._options = options
        self._mishaps = mishaps
        self._progressed = progressed
        self._backoff = Backoff(options.retry_first, options.retry_most)
        self._queue: Queue = journal  # whose turn it is
        self._opened = False
        self._call: asyncio.Task[None] | None = None
        self._stubs: dict[str, Record] = {}  # of this batch, by the ids that they share with what they stand for

    def pending(self) -> bool:
        """Whether there is something to deliver, of our own or of what dead writers have left."""
        return any(queue.progress(self.name).waiting for queue in self._queues())

    def unfinished(self) -> bool:
        """Whether there is something of our own to deliver."""
        return self._journal.progress(self.name).waiting

    def stats(self, refused: int) -> SinkStats:
        """The lane's counts, with those of the records that the journal did not take."""
        progress = self._journal.progress(self.name)
        return SinkStats(
            name=self.name,
            accepted=progress.position + progress.held + refused,
            delivered=progress.delivered,
            pending=progress.pending,
            lost=progress.given_up + refused,
            rejected=self.rejected,
            failed_attempts=self.failed_attempts,
            last_error=self.last_error,
            backlog=sum(queue.progress(self.name).pending for queue in self._journal.backlog()),
        )

    async def run(self, bell: Bell) -> None:
        """Deliver until the bell says that it is over."""
        while not bell.over:
            nudge = bell.nudge  # before the attempt: who begins to wait during it wants another
            if bell.closing and not self.unfinished():
                return  # what dead writers have left can wait for another time
            if not self.pending():
                await bell.wait_for_records(self.pending)
                await bell.gather(self._options.linger)
            elif await self._attempt():
                self._queue = self._next()
                self._progressed()
                bell.ring()  # the other lanes, if that has left something to say
                bell.announce()
            else:
                self._backoff.waited(hurried=await bell.pause(self._backoff.next(), nudge))

    def interrupt(self) -> None:
        """Cancel the call into the sink that is going on, if one is."""
        if self._call is not None:
            self._call.cancel()

    async def close(self) -> None:
        """Close the sink, if it was ever opened."""
        if self._opened:
            self._opened = False
            try:
                await self._bounded(self._sink.close)
            except _DeadlineMissed:
                pass
            except Exception as error:  # noqa: BLE001 - a sink may raise anything
                self._fail(error)

    def _queues(self) -> Sequence[Queue]:
        return (self._journal, *self._journal.backlog())

    def _next(self) -> Queue:
        """Whose turn it is: what dead writers have left must not keep our own records waiting, nor these that."""
        queues = self._queues()
        at = queues.index(self._queue) + 1 if self._queue in queues else 0
        turns = (*queues[at:], *queues[:at])
        return next((queue for queue in turns if queue.progress(self.name).waiting), self._journal)

    async def _attempt(self) -> bool:
        try:
            if not self._opened:
                await self._bounded(self._sink.open)
                self._opened = True
            batch = self._queue.read(self.name, self._options.batch_size)
            if batch.records:
                await self._store([self._stubs.get(record.id, record) for record in batch.records])
            self._queue.acknowledge(self.name, batch.position)
        except _DeadlineMissed:
            return False
        except Exception as error:  # noqa: BLE001 - a sink may raise anything
            self._fail(error)
            return False
        self._stubs.clear()
        self.last_error = None
        self._backoff.reset()
        return True

    async def _store(self, records: Sequence[Record]) -> None:
        try:
            await self._bounded(partial(self._sink.write, records))
        except RecordRejected as rejection:
            culprits = [(records[0], rejection)] if len(records) == 1 else await self._search(records)
            for record, reason in culprits:
                await self._replace(record, self._mishaps.redact(reason.reason), len(culprits) < len(records))

    async def _search(self, records: Sequence[Record]) -> list[tuple[Record, RecordRejected]]:
        """Store what can be stored; return what was rejected alone."""
        culprits: list[tuple[Record, RecordRejected]] = []
        parts = [records[len(records) // 2 :], records[: len(records) // 2]]
        while parts:
            part = parts.pop()
            try:
                await self._bounded(partial(self._sink.write, part))
            except RecordRejected as rejection:
                if len(part) == 1:
                    culprits.append((part[0], rejection))
                else:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
        return culprits

    async def _replace(self, record: Record, reason: str, neighbour_accepted: bool) -> None:
        if await self._accepts(record):  # it was the sink after all, and has passed
            return
        replacement = stub(record, reason)
        try:
            await self._bounded(partial(self._sink.write, [replacement]))
        except RecordRejected:
            if not neighbour_accepted:
                raise
            self._mishaps.losses.add("rejected by the sink, and so was a stub in its place", sink=self.name)
        if record.id not in self._stubs:  # else this is another attempt at the batch
            self._stubs[record.id] = replacement
            self.rejected += 1
            self._mishaps.set_aside(self.name, record, reason)

    async def _accepts(self, record: Record) -> bool:
        try:
            await self._bounded(partial(self._sink.write, [record]))
        except RecordRejected:
            return False
        return True

    async def _bounded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for the sink; past the deadline only for it to heed its cancellation."""
        self._call = call = asyncio.ensure_future(_contained(work))
        await asyncio.wait({call}, timeout=self._options.deadline)
        if late := not call.done():
            self._fail(TimeoutError(f"no answer within {self._options.deadline:g} s"))  # now, for it may never end
            call.cancel()
            await asyncio.wait({call})
        self._call = None
        if late and (call.cancelled() or not isinstance(call.exception(), RecordRejected | None)):
            raise _DeadlineMissed
        if call.cancelled():
            raise TimeoutError("the call was cancelled")
        call.result()

    def _fail(self, error: Exception) -> None:
        self.failed_attempts += 1
        self.last_error = self._mishaps.describe(error)
        self._mishaps.failures.note(f"sink {self.name} failed", error, self.last_error)


async def _contained(work: Callable[[], Awaitable[None]]) -> None:
    """Keep what would end the thread, with every other sink's lane, from doing so."""
    try:
        await work()
    except (KeyboardInterrupt, SystemExit) as error:
        raise RuntimeError(f"the sink raised {type(error).__name__}") from error
