"""Honest logs, of any history: a verifier has nothing to say against them."""

import asyncio
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from asgi_audit.integrity.leaf import PARTS
from asgi_audit.integrity.report import Verdict
from asgi_audit.record import Record
from asgi_audit.sqlalchemy import upgrade_database
from tests.postgres import execute
from tests.sealed.operations import Operations
from tests.sealed.process import Process

_WRITERS = 8  # at a time
_LOGS = 1000  # in full
_PATIENCE = 7200  # seconds, for these

WHICH = st.integers(0, 99)
FEW = st.integers(1, 6)
#: By how many minutes a clock is ahead.
CLOCKS = st.sampled_from([0, -3, -50, -300, -4000, -600_000, 2, 300, 1_600_000]).map(lambda n: timedelta(minutes=n))
AGES = st.sampled_from([500, 4, 0.04, 0, -2000]).map(lambda n: timedelta(days=n))


class Honest(RuleBasedStateMachine):
    """Eight writers and their operators; after each step the log is verified."""

    url: ClassVar[str] = ""  # of a database on a server; without one each log is a file of its own
    logs: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    @initialize(
        seed=st.integers(0, 2**32),
        mac=st.booleans(),
        signed=st.booleans(),
        clocks=st.lists(CLOCKS, min_size=1, max_size=_WRITERS),
    )
    def start(self, seed: int, mac: bool, signed: bool, clocks: list[timedelta]) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.chance = Random(seed)
        self.now = datetime.now(UTC)
        self.checks, self.failed = 0, False
        self.seen: dict[str, int] = {}  # how many passes there had been
        self.processes: list[Process] = []
        url = self.url or f"sqlite:///{self.home}/audit.db"
        self.runner.run(upgrade_database(url))
        if self.url:
            self.runner.run(execute(url, "TRUNCATE audit_records, audit_leaves, audit_checkpoints"))
        self.log = Operations(url, self.home, mac=os.urandom(32) if mac else None, signed=signed)
        for clock in clocks:
            self.begin(clock, 3)
            self.deliver(self.processes[-1], 2, heard=True)

    def tick(self) -> datetime:
        self.now += timedelta(milliseconds=self.chance.randrange(1, 50))
        return self.now

    def of(self, which: int, *, alive: bool = False) -> Process:
        """One of the processes."""
        pool = self.living() if alive else self.processes
        return pool[which % len(pool)]

    def living(self) -> list[Process]:
        return [each for each in self.processes if each.alive]

    def forget(self) -> None:
        """The dead whose journal is empty leave nothing behind."""
        self.processes = [each for each in self.processes if each.alive or each.queue]

    @precondition(lambda self: len(self.living()) < _WRITERS)
    @rule(clock=CLOCKS, count=FEW)
    def begin(self, clock: timedelta, count: int) -> None:
        process = Process(self.chance, self.log.ledger.sink, self.tick)
        process.clock = clock
        process.work(count)
        self.processes.append(process)

    @precondition(lambda self: self.living())
    @rule(rounds=st.integers(1, 3), clock=st.none() | CLOCKS)
    def serve(self, rounds: int, clock: timedelta | None) -> None:
        """All goes well, but that a clock may be set: requests end, lanes store what they have, and it is sealed."""
        if clock is not None:
            self.chance.choice(self.living()).clock = clock
        for _ in range(rounds):
            for process in self.living():
                process.work(self.chance.randrange(5))
                if self.chance.random() < 0.7:
                    self.deliver(process, self.chance.randrange(1, 12), heard=True)
        if self.chance.random() < 0.5:
            self.seal(self.chance.randrange(3), "there")

    @precondition(lambda self: self.processes)
    @rule(which=WHICH, limit=st.integers(1, 9), heard=st.booleans())
    def store_some(self, which: int, limit: int, heard: bool) -> None:
        """A batch is stored, perhaps long after it was made; if nobody hears of it, it will be stored again."""
        self.deliver(self.of(which), limit, heard=heard)
        self.forget()

    @precondition(lambda self: self.processes)
    @rule(which=WHICH, at=st.integers(0, 8), limit=st.integers(0, 9))
    def reject(self, which: int, at: int, limit: int) -> None:
        """A record is rejected; when its neighbours are stored and its stub is not, something happens."""
        process = self.of(which)
        process.reject(at)
        self.store(process.accepted(limit))

    @precondition(lambda self: self.living())
    @rule(which=WHICH, count=FEW, how=st.sampled_from(["behind", "declared", "elsewhere", "full"]))
    def lose(self, which: int, count: int, how: str) -> None:
        """Losses that leave a gap here, declared at once or not yet; those of another sink, and of a full journal."""
        process = self.of(which, alive=True)
        if how == "elsewhere":
            process.lose_elsewhere(count)
        elif how == "full":
            process.refuse(count)
        else:
            process.fall_behind(count)
        if how == "declared":
            process.declare()

    @precondition(lambda self: self.living())
    @rule(which=WHICH, goes_on=st.booleans())
    def close(self, which: int, goes_on: bool) -> None:
        self.of(which, alive=True).close(goes_on=goes_on)

    @precondition(lambda self: self.processes)
    @rule(which=WHICH, interrupted=st.integers(0, 2), damaged=st.integers(0, 2), entries=st.integers(0, 1))
    def die(self, which: int, interrupted: int, damaged: int, entries: int) -> None:
        process = self.of(which)
        if not process.recovered:
            process.die(interrupted=interrupted, damaged=damaged, entries=entries)
            self.forget()

    @precondition(lambda self: self.log.unfinished)
    @rule(which=st.integers(0, 3), anchor=st.sampled_from(["there", "there", "full", "away"]))
    def seal(self, which: int, anchor: str) -> None:
        """By one of two sealers, by a new one, or by one that dies when it has added leaves and not signed them."""
        if which == 3:
            self.runner.run(self.log.grow(self.chance.randrange(1, 9)))
        else:
            self.log.keeper.full, self.log.keeper.away = anchor == "full", anchor == "away"
            self.runner.run(self.log.seal_by(which))
            self.log.keeper.full = self.log.keeper.away = False

    @precondition(lambda self: self.news("rotate"))
    @rule()
    def rotate(self) -> None:
        self.seen["rotate"] = self.log.passes
        self.log.rotate()

    @precondition(lambda self: self.log.ledger.rows)
    @rule(count=st.integers(1, 9), parts=st.sets(st.sampled_from(PARTS), min_size=1))
    def erase(self, count: int, parts: set[str]) -> None:
        rows = list(self.log.ledger.rows)
        self.runner.run(self.log.erase_parts(self.chance.sample(rows, min(count, len(rows))), sorted(parts)))

    @precondition(lambda self: self.log.ledger.leaves)
    @rule(age=AGES)
    def purge(self, age: timedelta) -> None:
        self.runner.run(self.log.purge_before(self.now - age))

    @precondition(lambda self: self.log.ledger.missing)
    @rule(count=st.integers(1, 5))
    def come_again(self, count: int) -> None:
        """What was purged is delivered once more."""
        missing = self.log.ledger.missing
        self.store(self.chance.sample(missing, min(count, len(missing))))

    @precondition(lambda self: not self.url and self.news("back up"))
    @rule()
    def back_up(self) -> None:
        self.seen["back up"] = self.log.passes
        self.settle()
        self.log.back_up()

    @precondition(lambda self: not self.url and self.log.backups)
    @rule(which=WHICH, full=st.booleans())
    def restore(self, which: int, full: bool) -> None:
        """The service stands still, and nothing waits in its journals."""
        self.processes.clear()
        self.log.keeper.full = full and bool(self.log.keys)  # without a key nobody knows who has begun anew
        self.runner.run(self.log.restore(which % len(self.log.backups)))
        self.log.keeper.full = False

    @precondition(lambda self: self.news("age"))
    @rule()
    def age(self) -> None:
        """Two hours go by, in which all is told of what is missing by now."""
        self.seen["age"] = self.log.passes
        self.settle()
        self.runner.run(self.log.age(timedelta(hours=2)))

    def news(self, what: str) -> bool:
        """Whether anything was sealed since that was done."""
        return self.log.passes > self.seen.get(what, 0)

    def settle(self) -> None:
        """Have everybody deliver who has something to declare of what is missing."""
        for process in self.processes:
            if self.log.ledger.pending():
                process.declare()
                self.deliver(process, len(process.queue), heard=True)
        self.forget()
        assert not self.log.ledger.pending()

    def deliver(self, process: Process, limit: int, *, heard: bool) -> None:
        self.store(process.batch(limit))
        if heard:
            process.acknowledge(limit)

    def store(self, batch: list[Record]) -> None:
        if batch:
            self.runner.run(self.log.write(batch))

    @invariant()
    def nothing_is_found(self) -> None:
        Honest.steps += 1
        if self.log.changed:
            self.checks += 1
            self.failed = True
            self.runner.run(self.log.check(bundled=self.checks % 4 == 0))
            self.failed = False

    def teardown(self) -> None:
        if not hasattr(self, "log"):
            return
        try:
            if not self.failed:
                self.end()
        finally:
            self.runner.close()
            shutil.rmtree(self.home)

    def end(self) -> None:
        """All comes to its end: what is left is delivered, sealed and anchored."""
        Honest.logs += 1
        for process in self.processes:
            process.declare()
            self.deliver(process, len(process.queue), heard=True)
        self.seal(2, "there")
        report = self.runner.run(self.log.check(bundled=True))
        assert report.verdict is not Verdict.UNANCHORED or not report.sealed
        assert not report.pending
        self.runner.run(self.log.check_by_others())


def check(machine: type[Honest], logs: int) -> None:
    """Make so many logs; `-s` shows how long they were."""
    Honest.logs = Honest.steps = 0
    run_state_machine_as_test(machine, settings=settings(max_examples=logs, stateful_step_count=30, deadline=None))
    print(f"{Honest.logs} logs, {Honest.steps} steps")
    assert Honest.logs >= logs


@pytest.mark.timeout(_PATIENCE)
def test_honest_logs_raise_no_alarm(full: bool) -> None:
    """In full, at least 1,000."""
    check(Honest, _LOGS if full else 25)


@pytest.mark.timeout(_PATIENCE)
def test_honest_logs_raise_no_alarm_on_postgres(full: bool, postgres_url: str) -> None:
    """As on SQLite, but for backups, which are copies of a file."""

    class OnPostgres(Honest):
        url = postgres_url

    check(OnPostgres, _LOGS // 20 if full else 3)
