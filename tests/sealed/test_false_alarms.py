"""Turns of an honest log's history that were once taken for an attack, or nearly."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asgi_audit.sqlalchemy import upgrade_database
from tests.sealed.operations import Operations
from tests.sealed.process import Process

pytestmark = pytest.mark.asyncio

_HOURS = timedelta(hours=2)


async def begin(sqlite_url: str, home: Path, *, signed: bool = True) -> tuple[Operations, Process]:
    """An empty log, and a process that has ten records for it."""
    await upgrade_database(sqlite_url)
    log = Operations(sqlite_url, home, mac=None, signed=signed)
    process = Process(random.Random(0), log.ledger.sink, lambda: datetime.now(UTC))
    process.work(9)
    return log, process


async def deliver(log: Operations, process: Process, count: int) -> None:
    """Its next records are stored."""
    await log.write(process.batch(count))
    process.acknowledge(count)


async def test_a_gap_is_pending_though_what_stands_behind_it_was_purged(sqlite_url: str, tmp_path: Path) -> None:
    """A purge may come while the loss record is on its way. An hour later it counts."""
    log, process = await begin(sqlite_url, tmp_path)
    await deliver(log, process, 3)
    process.fall_behind(2)
    process.declare()
    await deliver(log, process, 4)
    await log.seal_by(0)
    await log.purge_before(datetime.now(UTC) + _HOURS)
    assert (await log.check(bundled=True)).pending == 2
    await log.seal_by(0)
    await log.age(_HOURS)
    report = await log.verify()
    assert (report.finding_counts, report.pending) == ({"sequence": 1}, 0)
    await deliver(log, process, 9)
    await log.check(bundled=True)


async def test_a_gap_is_pending_behind_the_end_of_a_writer_that_goes_on(sqlite_url: str, tmp_path: Path) -> None:
    """A trail that was closed is opened by its next record, as the same writer."""
    log, process = await begin(sqlite_url, tmp_path)
    process.close(goes_on=True)
    await deliver(log, process, 12)
    process.work(5)
    process.fall_behind(2)
    process.declare()
    await deliver(log, process, 2)
    assert (await log.check(bundled=True)).pending == 2
    await deliver(log, process, 9)
    assert (await log.check(bundled=True)).pending == 0


@pytest.mark.parametrize("later", [0, 3])
async def test_a_backup_may_have_leaves_that_were_not_signed_yet(sqlite_url: str, tmp_path: Path, later: int) -> None:
    """So the database lacks a checkpoint, though it has its tree."""
    log, process = await begin(sqlite_url, tmp_path)
    await deliver(log, process, 3)
    await log.seal_by(0)
    await deliver(log, process, 3)
    await log.grow(3)
    log.back_up()
    await log.seal_by(0)
    await deliver(log, process, later)
    await log.seal_by(0)
    await log.restore(0)
    await log.check(bundled=True)


async def test_a_backup_may_have_been_made_before_a_key_has_signed(sqlite_url: str, tmp_path: Path) -> None:
    """The anchor has the same checkpoint with a signature that the database lacks."""
    log, process = await begin(sqlite_url, tmp_path, signed=False)
    await deliver(log, process, 3)
    await log.seal_by(0)
    log.back_up()
    log.rotate()
    await log.seal_by(0)
    await log.check(bundled=True)
    await log.restore(0)
    await log.check(bundled=True)


async def test_what_was_sealed_after_a_restart_is_as_old_as_its_own_checkpoint(sqlite_url: str, tmp_path: Path) -> None:
    """Whatever checkpoints the anchor has of the log as it was before."""
    log, process = await begin(sqlite_url, tmp_path)
    await deliver(log, process, 1)
    await log.seal_by(0)
    log.back_up()
    await deliver(log, process, 4)
    await log.seal_by(0)
    await log.restore(0)
    await log.age(_HOURS)
    other = Process(random.Random(1), log.ledger.sink, lambda: datetime.now(UTC))
    other.work(9)
    await deliver(log, other, 2)
    other.fall_behind(2)
    other.declare()
    await deliver(log, other, 5)
    await log.seal_by(2)
    assert (await log.check(bundled=True)).pending == 2
