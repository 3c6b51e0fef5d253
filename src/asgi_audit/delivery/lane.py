"""One sink's own reader of the journal: batch, attempt, retry, acknowledge.

Rule 1: never two calls into a sink at a time, however long one hangs; a call past its deadline is cancelled and then
waited for.
Rule 2: a batch is acknowledged only when the sink has returned.
Rule 3: what the sink rejects is searched for by halving the batch; only the record that is rejected alone, and whose
stub is
accepted, is set aside. If every record of a batch is rejected, nothing can be told of them: that is an outage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from asgi_audit.delivery.backoff import Backoff
from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.mishaps import Mishaps
from asgi_audit.delivery.options import Delivery
from asgi_audit.delivery.rejects import stub
from asgi_audit.errors import RecordRejected
from asgi_audit.journal import Journal
from asgi_audit.record import Record
from asgi_audit.sinks.base import Sink


class Lane:
    """Delivers the journal to one sink. It runs in the delivery thread; the counters may be read from anywhere."""

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
        self._limit = options.batch_size
        self._opened = False

    async def run(self, bell: Bell) -> None:
        """Deliver until the bell says that it is over and nothing is pending."""
        while True:
            if not self._pending():
                if bell.closing:
                    return
                await bell.wait_for_records(self._pending)
                await bell.gather(self._options.linger)
            elif await self._attempt():
                self._progressed()
                bell.announce()
            else:
                await bell.pause(self._backoff.next())

    async def close(self) -> None:
        """Close the sink, if it was ever opened."""
        if self._opened:
            self._opened = False
            try:
                await self._bounded(self._sink.close())
            except Exception as error:  # noqa: BLE001 - a sink may raise anything, and this is its end
                self._fail(error)

    def _pending(self) -> bool:
        progress = self._journal.progress(self.name)
        return progress.acknowledged < progress.position

    async def _attempt(self) -> bool:
        try:
            if not self._opened:
                await self._bounded(self._sink.open())
                self._opened = True
            batch = self._journal.read(self.name, self._limit)
            await self._store(batch.records)
        except Exception as error:  # noqa: BLE001 - a sink may raise anything; it will be tried again
            self._fail(error)
            return False
        self._journal.acknowledge(self.name, batch.position)
        self.last_error = None
        self._limit = min(self._limit * 2, self._options.batch_size)
        self._backoff.reset()
        return True

    async def _store(self, records: Sequence[Record]) -> None:
        try:
            await self._bounded(self._sink.write(records))
        except RecordRejected as rejection:
            culprits = [(records[0], rejection)] if len(records) == 1 else await self._search(records)
            if len(culprits) == len(records) > 1:
                self._limit = 1  # one at a time, a stub will tell whether it is the records or the sink
                raise
            for record, reason in culprits:
                await self._replace(record, reason.reason)

    async def _search(self, records: Sequence[Record]) -> list[tuple[Record, RecordRejected]]:
        """Store what can be stored; return what was rejected alone."""
        culprits: list[tuple[Record, RecordRejected]] = []
        parts = [records[len(records) // 2 :], records[: len(records) // 2]]
        while parts:
            part = parts.pop()
            try:
                await self._bounded(self._sink.write(part))
            except RecordRejected as rejection:
                if len(part) == 1:
                    culprits.append((part[0], rejection))
                else:
                    parts += [part[len(part) // 2 :], part[: len(part) // 2]]
        return culprits

    async def _replace(self, record: Record, reason: str) -> None:
        await self._bounded(self._sink.write([stub(record, reason)]))
        self.rejected += 1
        try:
            self._mishaps.rejects.set_aside(self.name, record, reason)
        except OSError as error:
            self._mishaps.losses.add(
                f"rejected by the sink, and {self._mishaps.rejects.path} can't be written", sink=self.name
            )
            self._mishaps.failures.note("a rejected record could not be set aside", error)
        else:
            self._mishaps.failures.note(
                f"sink {self.name} rejected a record", detail=f"set aside in {self._mishaps.rejects.path}"
            )

    async def _bounded(self, work: Awaitable[None]) -> None:
        """Wait for the sink, past the deadline only for it to heed its cancellation."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=self._options.deadline)
        if not done:
            self.last_error = f"no answer within {self._options.deadline:g} s"
            task.cancel()
            await asyncio.wait({task})
        if task.cancelled():
            raise TimeoutError(self.last_error or "the sink gave up by itself")
        task.result()

    def _fail(self, error: Exception) -> None:
        self.failed_attempts += 1
        self.last_error = f"{type(error).__name__}: {error}"[:500]
        self._mishaps.failures.note(f"sink {self.name} failed", error, self.last_error)
