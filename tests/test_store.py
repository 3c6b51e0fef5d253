"""What may be asked of a store."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.errors import ConfigurationError
from asgi_audit.ids import IdSource
from asgi_audit.store import Query, first_id, made_at


@pytest.mark.parametrize(
    ("filters", "argument", "remedy"),
    [
        ({"actor": 42}, "actor", "give a text"),
        ({"path": b"/"}, "path", "give a text"),
        ({"outcome": "good"}, "outcome", "choose success, denied"),
        ({"kind": "page"}, "kind", "choose http, websocket"),
        ({"status": "bad"}, "status", "4xx"),
        ({"status": "0xx"}, "status", "4xx"),
        ({"status": (500, 400)}, "status", "range"),
        ({"status": (1, 2, 3)}, "status", "range"),
        ({"status": 4.5}, "status", "range"),
        ({"status": 2**31}, "status", "range"),
        ({"status": (-(10**30), 4)}, "status", "range"),
        ({"status": (4, 10**30)}, "status", "range"),
        ({"status": (1, "a")}, "status", "range"),
        ({"status": ("a", 1)}, "status", "range"),
        ({"actor": "\ud800"}, "actor", "surrogate"),
        ({"since": "yesterday"}, "since", "2026-11-23"),
        ({"until": 5}, "until", "ISO 8601"),
        ({"since": "2026-11-24", "until": "2026-11-23"}, "since", "later than until"),
    ],
)
def test_what_cannot_be_asked_is_refused(filters: dict[str, Any], argument: str, remedy: str) -> None:
    """The error names the argument and says what to write instead."""
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        Query(**filters)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("status", "statuses"),
    [(None, None), (404, (404, 404)), ("404", (404, 404)), ("4xx", (400, 499)), ("5XX", (500, 599)), ((1, 2), (1, 2))],
)
def test_a_status_is_a_range(status: Any, statuses: tuple[int, int] | None) -> None:
    """One status, a class, or a range."""
    assert Query(status=status).statuses == statuses


@pytest.mark.parametrize(
    ("given_", "moment"),
    [
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        (date(2026, 11, 23), datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T10:00", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
        ("2026-11-23T10:00+02:00", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        (datetime(2026, 11, 23, 10, tzinfo=timezone(timedelta(hours=2))), datetime(2026, 11, 23, 8, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(given_: Any, moment: datetime) -> None:
    """Text, dates and datetimes mean a moment."""
    assert Query(since=given_, until=given_).between == (moment, moment)


def test_without_times_there_are_no_bounds() -> None:
    """Nothing asked, nothing bounded."""
    assert Query().ids == (None, None)


def test_an_id_lies_between_the_bounds_of_its_time() -> None:
    """An id that is made now is not below the bound of before, and below the bound of after."""
    before = datetime.now(UTC)
    id_ = IdSource().new_id()
    since, until = Query(since=before, until=datetime.now(UTC) + timedelta(milliseconds=1)).ids
    assert since is not None
    assert until is not None
    assert since <= id_ < until


@given(st.integers(0, 253_402_300_799_999), st.integers(0, 253_402_300_799_999))
def test_bounds_are_ordered_as_times_are(one: int, two: int) -> None:
    """Of two milliseconds the later has the higher bound, and a bound tells its millisecond."""
    assert (one < two) == (first_id(one * 1000) < first_id(two * 1000))
    assert made_at(first_id(one * 1000 + 999)) == one * 1000


def test_a_time_before_all_ids_is_the_first() -> None:
    """UUIDv7 begins in 1970."""
    assert Query(since="1900-01-01").ids[0] == first_id(0)
