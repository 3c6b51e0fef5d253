"""A sealer may be killed at any moment: what it leaves is whole, and the next pass goes on from there."""

import asyncio
from datetime import UTC, datetime
from itertools import count

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import sealer
from asgi_audit.sqlalchemy.head import SealRefused
from tests.sealed.killed import killed_at
from tests.sealed.log import Log, Writer
from tests.sealed.tables import Tables, roll_back, sound


def anchored(log: Log) -> list[str]:
    """The checkpoints that the anchor knows."""
    return list(FileAnchor(log.anchor).read()) if log.anchor.exists() else []


def write(log: Log, writer: Writer, number: int) -> None:
    """Store so many records."""
    asyncio.run(log.write([writer.record(datetime.now(UTC)) for _ in range(number)]))


def left(log: Log) -> Tables:
    """What there is: whole, and nothing is anchored that the database does not have."""
    tables = asyncio.run(sound(log.url))
    assert set(anchored(log)) <= set(tables.notes)
    return tables


def test_a_pass_can_be_killed_at_any_step(log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each statement, at each commit, before and after each signature and each word to the anchor.

    The pass has two chunks. No index is given twice, nothing is sealed twice or left out, and another sealer's pass
    brings to its end what was begun.
    """
    monkeypatch.setattr(sealer, "_CHUNK", 4)
    states: set[tuple[int, int]] = set()  # how many were sealed, and not signed, at a death
    before = 0
    for step in count():
        write(log, writer, 6)
        dead = killed_at(step, log, lambda sealer: sealer.seal())
        tables = left(log)
        signed = max([0, *tables.sizes])
        states.add((len(tables.leaves) - before, len(tables.leaves) - signed))
        asyncio.run(log.seal())
        tables = left(log)
        before += 6
        assert (len(tables.leaves), tables.sizes[-1]) == (before, before)
        assert anchored(log)[-1] == tables.notes[-1]
        if not dead:
            break
    assert step > 40
    assert states == {(0, 0), (4, 4), (4, 0), (6, 2), (6, 0)}
    report = asyncio.run(log.verify())
    assert (report.verdict, report.findings, report.unsealed) == (Verdict.PASS, [], 0)


def test_a_restart_can_be_killed_at_any_step(log: Log, writer: Writer, full: bool) -> None:
    """Either it was begun, and the next pass goes on under the new origin, or it is still refused and done again."""
    answers = set()
    for step in count(step=1 if full else 5):
        write(log, writer, 3)
        asyncio.run(log.seal())
        asyncio.run(roll_back(log.url, asyncio.run(sound(log.url)).sizes[-1] - 2))
        dead = killed_at(step, log, lambda sealer: sealer.restart("a backup"))
        asyncio.run(sound(log.url))
        try:
            asyncio.run(log.seal())
            answers.add("went on")
        except SealRefused:
            asyncio.run(log.sealer().restart("once more"))
            answers.add("refused")
        report = asyncio.run(log.verify())
        assert (report.verdict, report.findings, report.unsealed) == (Verdict.DECLARED_LOSS, [], 0)
        assert anchored(log)[-1] == asyncio.run(sound(log.url)).notes[-1]
        if not dead:
            break
    assert answers == {"went on", "refused"}
