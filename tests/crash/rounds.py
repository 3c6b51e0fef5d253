"""Load, kill, restart, over and over; then the successor takes what is left, and the oracle speaks."""

import asyncio
import os
import random
import signal
import threading
import time
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

from asgi_audit import AuditTrail
from asgi_audit.journal import FileJournal
from tests.crash.database import occupied, rows
from tests.crash.figures import Figures
from tests.crash.history import History, handlers_run
from tests.crash.load import Load
from tests.crash.oracle import Verdict, judge
from tests.crash.orders import Orders
from tests.crash.server import Server, server
from tests.crash.tamper import due_again, recovered, rewind, tear, writers

_SECONDS = 60.0  # after which a journal that is not empty never will be
_LEAST = 100  # answers in a round


class Blow(Enum):
    """Who is killed."""

    WORKER = auto()
    ALL = auto()
    #: All, and all of their successors once one of them answers: in the middle of recovery.
    ALL_TWICE = auto()


class Outcome(NamedTuple):
    """Of a run."""

    figures: Figures
    verdict: Verdict


class Run:
    """Several rounds on one journal and one database, as the seed has it."""

    def __init__(self, orders: Orders, log: Path, seed: str) -> None:
        orders.ran.touch()
        self._orders = orders
        self._log = log
        self._chance = random.Random(seed)
        self._history = History()
        self._answered: list[int] = []
        self._redelivered = 0
        self._torn = False

    def play(self, rounds: int) -> None:
        """Play so many rounds."""
        with server(self._orders, self._log) as running:
            for blow in self._blows(rounds):
                running.start()
                # The first one makes the table.
                occupy = (
                    occupied(self._orders.sink) if self._answered and self._chance.random() < 0.3 else nullcontext()
                )
                before = len(self._history.answered)
                load = Load(running.port, self._history, self._chance)
                asyncio.run(load.run(self._strike(load, running, blow, occupy)))
                self._answered.append(len(self._history.answered) - before)
                if blow is not Blow.WORKER:
                    self._tamper()
                if blow is Blow.ALL_TWICE:
                    running.start()
                    # While recovery is at work, but who can tell when that is?
                    threading.Event().wait(self._chance.uniform(0, 0.3))
                    running.kill()
            running.stop()

    def outcome(self) -> Outcome:
        """What the rounds have left, when everything is delivered."""
        if (journal := self._orders.make_journal()) is not None:
            drain(self._orders.sink, journal)
        verdict = judge(self._history, handlers_run(self._orders.ran), rows(self._orders.sink))
        return Outcome(Figures.of(self._answered, self._history, self._redelivered, verdict), verdict)

    def _blows(self, rounds: int) -> list[Blow]:
        """Each kind in turn, so that none is left out, but in any order."""
        kinds = [Blow.ALL, Blow.WORKER, Blow.ALL, Blow.ALL_TWICE, Blow.WORKER]
        blows = [kinds[number % len(kinds)] for number in range(rounds)]
        self._chance.shuffle(blows)
        return blows

    async def _strike(self, load: Load, running: Server, blow: Blow, occupy: AbstractAsyncContextManager[None]) -> None:
        async with occupy:
            await load.answers(self._chance.randrange(_LEAST, 3 * _LEAST))
            # Not always just when a response has come: at any moment between.
            await asyncio.sleep(self._chance.uniform(0, 0.03))
            if blow is Blow.WORKER:
                os.kill(load.worker, signal.SIGKILL)
                await load.answers(_LEAST // 2)
            else:
                running.kill()

    def _tamper(self) -> None:
        """Between the kill and the restart, when nobody lives who could be in the way."""
        if self._orders.journal is None:
            return
        stored = rows(self._orders.sink)
        for directory in writers(self._orders.journal):
            if not recovered(directory):
                # At random, but not never.
                if not self._torn or self._chance.random() < 0.5:
                    tear(directory, self._chance)
                    self._torn = True
                if not self._redelivered or self._chance.random() < 0.5:
                    rewind(directory)
                self._redelivered += due_again(directory, stored)


def drain(sink: str, journal: FileJournal) -> None:
    """Be the successor of all who wrote to this journal, until everything they left is delivered."""
    with AuditTrail(sink, journal=journal) as trail:
        deadline = time.monotonic() + _SECONDS
        while {path.name for path in writers(journal.path)} - {journal.writer}:
            assert time.monotonic() < deadline, f"not delivered: {writers(journal.path)}; {trail.health()}"
            # A directory that disappears tells nobody.
            threading.Event().wait(0.02)
    assert not writers(journal.path), "everything is delivered, but directories stay"
