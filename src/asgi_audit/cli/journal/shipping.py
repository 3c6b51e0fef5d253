"""The delivery of a shipment, by the lane that delivers in an application, too."""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.journal.shipment import Shipment
from asgi_audit.client import TrustedProxies
from asgi_audit.delivery import Delivery, Losses, Mishaps, Rejects, default_path
from asgi_audit.delivery.bell import Bell
from asgi_audit.delivery.declaration import Declaration
from asgi_audit.delivery.lane import Lane
from asgi_audit.factory import RecordFactory
from asgi_audit.facts import Facts
from asgi_audit.failures import Failures
from asgi_audit.identity import Identity
from asgi_audit.record import Kind, Record
from asgi_audit.redaction import Redactor
from asgi_audit.sinks import Sink

_RETRY: Final = 1.0  # seconds before the second attempt
_ATTEMPTS: Final = 3  # in a row: somebody stands by, and can start the command again
_LOOKS: Final = 3  # a look that takes nothing may have met somebody who looked, too; see `directory.occupied`
_PAUSE: Final = 0.1  # seconds between them
_GRACE: Final = 5.0  # seconds for the batch that is on its way when Ctrl-C comes
_TELL: Final = 1.0  # seconds between lines on how far it has come
_LONGEST_ERROR: Final = 500  # characters of what a sink says


class _Spoken(Failures):
    """Failures of the lane, said where the command was typed, each once."""

    def __init__(self, noticed: Callable[[], None]) -> None:
        super().__init__()
        self._noticed = noticed
        self._said: set[str] = set()

    def note(self, kind: str, error: BaseException | None = None, detail: str | None = None) -> None:
        """Say it, and let the waiting look."""
        self.say(kind, detail or (None if error is None else str(error)))
        self._noticed()

    def say(self, *parts: str | None) -> None:
        """Say it; on any thread."""
        sentence = ": ".join(part for part in parts if part)
        if sentence not in self._said:
            self._said.add(sentence)
            print(f"asgi-audit: {sentence}", file=sys.stderr)


class Shipping:
    """Delivers a shipment to one sink; once only. It is the journal's `Listener`."""

    def __init__(self, shipment: Shipment, name: str, sink: Sink, service: str | None) -> None:
        self._shipment = shipment
        self._name = name
        self._news = asyncio.Event()
        self._failures = _Spoken(self._news.set)
        self._losses = Losses()
        redact = Redactor()
        facts = Facts(redact, TrustedProxies(), self._failures)
        identity = Identity(None, None, self._failures)
        self._factory = RecordFactory(redact, facts, identity, service, self._failures)
        self._declaration = Declaration(shipment, [name], self._losses, self.own)
        rejects = Rejects(default_path(name, service))
        mishaps = Mishaps(self._failures, self._losses, rejects, lambda text: redact.text(text, _LONGEST_ERROR))
        self._lane = Lane(name, sink, shipment, Delivery(retry_first=_RETRY), mishaps, self._progressed)
        self._failed = 0  # attempts, up to the last success
        self._told = time.monotonic()

    def run(self) -> None:
        """Deliver all that can be taken. Raises `CommandFailed` if the sink does not take it."""
        self._shipment.attach([self._name], self)
        asyncio.run(self._run())

    def readable(self) -> None:
        """The lane looks after each batch anyway."""

    def troubled(self, what: str, error: BaseException | None = None) -> None:
        """Say it."""
        self._failures.say(what, None if error is None else str(error))

    def lost(self, reason: str, count: int) -> None:
        """To be declared."""
        self._losses.add(reason, count)

    def own(self, kind: Kind, data: dict[str, Any]) -> Record:
        """A record of what is found in what dead writers have left."""
        return self._factory.own(kind, data)

    async def _run(self) -> None:
        bell = Bell(asyncio.get_running_loop())
        running = asyncio.create_task(self._lane.run(bell))
        try:
            idle = 0
            while idle < _LOOKS:
                # In a thread: to recover what a writer has left may take seconds.
                await asyncio.to_thread(self._shipment.look)
                bell.ring()
                if self._lane.pending():
                    await self._deliver()
                else:
                    idle += 1
                    await asyncio.sleep(_PAUSE)  # there is no event to await: who holds a lock does not tell us
        finally:
            bell.close()
            await asyncio.wait({running}, timeout=_GRACE)
            bell.end()
            self._lane.interrupt()
            await running
            await self._lane.close()

    async def _deliver(self) -> None:
        while self._lane.pending():
            await self._news.wait()
            self._news.clear()
            if self._lane.failed_attempts - self._failed >= _ATTEMPTS:
                raise CommandFailed(f"{self._name} does not take the records: {self._lane.last_error}", Exit.DATABASE)

    def _progressed(self) -> None:
        self._failed = self._lane.failed_attempts
        self._declaration.declare()
        if time.monotonic() - self._told >= _TELL:
            self._told = time.monotonic()
            waiting = self._lane.stats(0).backlog
            print(f"{self._shipment.delivered} records delivered, {waiting} to go", file=sys.stderr)
        self._news.set()
