"""Sealing in the delivery thread: what the lanes have stored gets its place in the tree, every few seconds."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol, runtime_checkable

from asgi_audit.errors import AuditError
from asgi_audit.failures import Failures
from asgi_audit.sinks.base import Sink

_logger = logging.getLogger("asgi_audit")
_LONGEST_PASS = 300.0  # seconds; what a pass has done by then stays done


class Sealed(NamedTuple):
    """What a pass has done. `note` is the newest checkpoint, `troubles` what the anchors did not do, in words."""

    records: int
    size: int
    note: str | None
    gave_way: bool
    troubles: list[str]


class Sealer(Protocol):
    """Seals what one database stores."""

    name: str

    async def seal(self) -> Sealed:
        """Seal all that is stored; raises if that can't be. One call at a time, on the delivery thread's loop."""


@runtime_checkable
class Sealing(Protocol):
    """What `AuditTrail(seal=…)` takes: `asgi_audit.sealing.Seal`."""

    every: float

    def sealer(self, sinks: Sequence[Sink]) -> Sealer:
        """The sealer for one of the sinks; raises `ConfigurationError` if none can be sealed."""


class SealingRoutine:
    """Seals again and again. What fails is noted, and disturbs no lane."""

    def __init__(self, sealer: Sealer, every: float, failures: Failures) -> None:
        self._sealer = sealer
        self._every = every
        self._failures = failures
        self._gave_way = False
        self._random = random.SystemRandom()  # any other is the same one in each of several forked children

    async def run(self, end: asyncio.Event) -> None:
        """Until the end, and then once more, for what was stored last."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every * self._random.uniform(0.5, 1.0)):  # several need not meet
                    await end.wait()
            ended = end.is_set()
            await self._pass()
            if ended:
                return

    async def _pass(self) -> None:
        limit = asyncio.timeout(_LONGEST_PASS)
        try:
            async with limit:
                sealed = await self._sealer.seal()
        except Exception as error:  # noqa: BLE001 - a database or an anchor may raise anything
            said = str(error) if isinstance(error, AuditError) else None
            if limit.expired():
                said = f"not done within {_LONGEST_PASS:g} s"
            self._failures.note(f"sealing {self._sealer.name} failed", error, said)
            return
        for trouble in sealed.troubles:
            self._failures.note("an anchor failed", detail=trouble)
        if sealed.gave_way != self._gave_way:
            self._gave_way = sealed.gave_way
            if sealed.gave_way:
                _logger.info("audit trail %s: another sealer is at work; this one gives way", self._sealer.name)
