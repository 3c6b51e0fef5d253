from datetime import UTC, datetime, timedelta, timezone

import pytest

from asgi_audit.cli.moments import parse_duration, parse_moment

NOW = datetime(2026, 11, 23, 15, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("30m", NOW - timedelta(minutes=30)),
        ("30 min", NOW - timedelta(minutes=30)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("1w", NOW - timedelta(days=7)),
        ("today", datetime(2026, 11, 23, tzinfo=UTC)),
        ("yesterday", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        (" 2026-11-01T08:15 ", datetime(2026, 11, 1, 8, 15, tzinfo=UTC)),
        ("2026-11-01 08:15:30.5", datetime(2026, 11, 1, 8, 15, 30, 500_000, tzinfo=UTC)),
        ("2026-11-01T08:15:30Z", datetime(2026, 11, 1, 8, 15, 30, tzinfo=UTC)),
        ("2026-11-01T08:15:30+02:00", datetime(2026, 11, 1, 6, 15, 30, tzinfo=UTC)),
    ],
)
def test_a_point_in_time_may_be_written_in_many_ways(text: str, moment: datetime) -> None:
    """Relative to now, by the calendar, or exactly."""
    assert parse_moment(text, now=NOW) == moment


def test_the_zone_decides_when_a_day_begins() -> None:
    """It reads `today`, and dates and times that name no zone."""
    tokyo = timezone(timedelta(hours=9))
    assert parse_moment("today", now=NOW, zone=tokyo) == datetime(2026, 11, 24, tzinfo=tokyo)
    assert parse_moment("2026-11-01", now=NOW, zone=tokyo) == datetime(2026, 11, 1, tzinfo=tokyo)
    assert parse_moment("2026-11-01T00:00Z", now=NOW, zone=tokyo) == datetime(2026, 11, 1, tzinfo=UTC)


def test_the_machine_s_own_zone_is_none() -> None:
    """A day begins when the machine's clock says so."""
    assert parse_moment("2026-11-01", now=NOW, zone=None) == datetime(2026, 11, 1).astimezone()
    assert parse_moment("today", now=NOW, zone=None).astimezone().hour == 0


@pytest.mark.parametrize("text", ["", "soon", "5 parsecs", "2026-13-01", "9" * 30 + "d", "99999999d", "-1h"])
def test_anything_else_is_refused_with_what_may_be_written(text: str) -> None:
    """So is a time before the calendar."""
    with pytest.raises(ValueError, match="is no point in time; write 30m, 2h"):
        parse_moment(text, now=NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("10s", 10), (" 5m ", 300), ("5 min", 300), ("1h", 3600), ("7d", 604_800)]
)
def test_a_time_between_two_passes_is_written_as_one_ago(text: str, seconds: float) -> None:
    """In whole seconds, minutes, hours or days."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "0s", "1.5s", "-1s", "now", "soon"])
def test_what_is_no_time_is_refused_with_what_may_be_written(text: str) -> None:
    """So is none at all: there would be no end of passes."""
    with pytest.raises(ValueError, match="is no time; write 10s, 5m or 1h"):
        parse_duration(text)
