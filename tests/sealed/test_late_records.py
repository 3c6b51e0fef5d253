"""Records that are committed long after their ids were made, and clocks that go as they like."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import pytest

from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import lookback
from asgi_audit.sqlalchemy.lookback import Lookback
from asgi_audit.store import first_id
from tests.sealed.log import Log, Writer
from tests.sealed.tables import sound

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{f"{unit}s": 1}) for unit in ("second", "minute", "hour", "day"))

Wait: TypeAlias = Callable[[timedelta], None]


class Clock:
    """In place of the module `time`: stands still, unless somebody waits or sets it."""

    def __init__(self) -> None:
        self.now = START
        self._since = timedelta()

    def wait(self, time: timedelta) -> None:
        """Let it run."""
        self.now += time
        self._since += time

    def monotonic(self) -> float:
        return 5000.0 + self._since.total_seconds()

    def time_ns(self) -> int:
        return _microseconds(self.now) * 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The sealer's clock."""
    clock = Clock()
    monkeypatch.setattr(lookback, "time", clock)
    return clock


def _microseconds(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def at(time: datetime) -> str:
    """The lowest id of that time."""
    return first_id(_microseconds(time))


def test_how_far_it_looks_back(clock: Clock) -> None:
    """Over everything at first and once an hour, an hour once a minute, else two minutes behind the newest leaf."""
    looking, seen = Lookback(), []
    for _ in range(4):
        for _ in range(3):
            seen.append(looking.floor(at(clock.now)))
            looking.done()
            clock.wait(20 * SECOND)
    near = [at(START + passed * 20 * SECOND - 2 * MINUTE) for passed in range(12)]
    far = [at(START + passed * 20 * SECOND - HOUR) for passed in range(12)]
    assert seen == [None, *near[1:3], far[3], *near[4:6], far[6], *near[7:9], far[9], *near[10:]]
    clock.wait(HOUR - 4 * MINUTE - SECOND)
    assert looking.floor(at(clock.now)) == at(clock.now - HOUR)
    clock.wait(SECOND)
    assert looking.floor(at(clock.now)) is None


def test_a_look_that_came_to_nothing_is_taken_again(clock: Clock) -> None:
    """What counts is not that it began: another sealer may have been faster, or the database failed."""
    looking = Lookback()
    assert [looking.floor(at(START)) for _ in range(3)] == [None] * 3
    looking.done()
    clock.wait(MINUTE)
    assert [looking.floor(at(START)) for _ in range(3)] == [at(START - HOUR)] * 3
    looking.done()
    assert looking.floor(at(START)) == at(START - 2 * MINUTE)


def test_a_newest_leaf_that_nobody_can_place_hides_nothing(clock: Clock) -> None:
    """With none at all, with one of the future, or one that is no id, the window begins before today's records."""
    looking = Lookback()
    looking.floor(None)
    looking.done()
    assert looking.floor(at(START + 70 * 365 * DAY)) == at(START - 2 * MINUTE)
    assert looking.floor("somebody's own") is None
    assert looking.floor(None) is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("behind", "within"),
    [(MINUTE, timedelta()), (30 * MINUTE, MINUTE), (2 * HOUR, HOUR), (300 * DAY, HOUR)],
    ids=["two minutes", "an hour", "hours", "most of a year"],
)
async def test_what_was_committed_late_is_found(
    log: Log, writer: Writer, clock: Clock, behind: timedelta, within: timedelta
) -> None:
    """By the next pass, within a minute, or within an hour, by how much later than its id it came; never left out."""
    sealer = log.sealer()
    await log.write([writer.record(START), writer.record(START - 400 * DAY)])
    await sealer.seal()
    late = writer.record(START - behind)
    await log.write([late])
    passes = [(await sealer.seal()).records]
    if within:
        clock.wait(within - SECOND)
        passes.append((await sealer.seal()).records)
        clock.wait(SECOND)
        passes.append((await sealer.seal()).records)
    assert passes == [*[0] * (len(passes) - 1), 1]
    assert (await sound(log.url)).sealed[-1] == late.id
    assert (await log.verify()).verdict is Verdict.PASS


@pytest.mark.asyncio
async def test_a_new_sealer_looks_at_everything(log: Log, writer: Writer, clock: Clock) -> None:
    """It cannot know what others have looked at."""
    await log.write([writer.record(START)])
    await log.seal()
    await log.write([writer.record(START - 900 * DAY)])
    assert await log.seal() == 1


@pytest.mark.asyncio
async def test_a_clock_that_was_ahead_hides_no_records_of_today(log: Log, writer: Writer, clock: Clock) -> None:
    """A record of the year 2100 was sealed first: the next pass finds today's all the same, and the pass after it."""
    sealer = log.sealer()
    await log.write([writer.record(datetime(2100, 1, 1, tzinfo=UTC))])
    assert (await sealer.seal()).records == 1
    for _ in range(3):
        clock.wait(10 * SECOND)
        await log.write([writer.record(clock.now)])
        assert (await sealer.seal()).records == 1
    await sound(log.url)
    assert (await log.verify()).verdict is Verdict.PASS


@pytest.mark.asyncio
async def test_a_clock_that_goes_backwards_hides_nothing(log: Log, writer: Writer, clock: Clock) -> None:
    """The sealer's and the writers' clock is set back again and again: each pass finds what was written before it."""
    chance = random.Random(1)
    sealer = log.sealer()
    written = 0
    for _ in range(12):
        await log.write([writer.record(clock.now + number * SECOND) for number in range(5)])
        written += (await sealer.seal()).records
        clock.wait(10 * SECOND)
        clock.now -= chance.choice([MINUTE, HOUR, DAY, 400 * DAY])
    assert written == 60
    assert len((await sound(log.url)).leaves) == 60
    assert (await log.verify()).verdict is Verdict.PASS


@pytest.mark.asyncio
async def test_one_writer_whose_clock_is_behind_is_found_within_the_hour(
    log: Log, writer: Writer, clock: Clock
) -> None:
    """Of two machines one lives a day in the past: its records wait for the look at everything, and no longer."""
    behind = Writer(random.Random(2))
    sealer = log.sealer()
    await log.write([writer.record(clock.now)])
    await sealer.seal()
    found = 0
    for _ in range(7):
        await log.write([writer.record(clock.now), behind.record(clock.now - DAY)])
        found += (await sealer.seal()).records
        clock.wait(10 * MINUTE)
    assert found == 14
    assert (await log.verify()).verdict is Verdict.PASS
