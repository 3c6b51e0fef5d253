from datetime import UTC, datetime, timedelta, timezone

import pytest

from asgi_audit.cli import cells
from asgi_audit.record import Actor, Kind, Outcome, Request, Target, Traffic, WebSocket
from tests.cli.sample import a_record


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (None, ""),
        (0, "0 µs"),
        (999, "999 µs"),
        (1_000, "1.0 ms"),
        (9_949, "9.9 ms"),
        (12_345, "12 ms"),
        (999_999, "1000 ms"),
        (1_000_000, "1.0 s"),
        (119_900_000, "120 s"),
        (120_000_000, "2 min"),
        (7_199_000_000, "119 min"),
        (7_500_000_000, "2 h 05 min"),
    ],
)
def test_a_duration_is_in_the_unit_that_a_person_would_choose(microseconds: int | None, text: str) -> None:
    """Two or three digits say how long it took."""
    assert cells.span(microseconds) == text


def test_a_time_is_utc_unless_another_zone_is_asked_for() -> None:
    """The same moment, on two clocks."""
    time = datetime(2026, 11, 23, 23, 30, 12, 999_999, tzinfo=UTC)
    assert cells.moment(time) == "2026-11-23 23:30:12"
    assert cells.moment(time, timezone(timedelta(hours=1))) == "2026-11-24 00:30:12"


def test_the_path_says_what_was_done_when_no_route_is_known() -> None:
    """A method alone says little; a route or a name of the application's says enough."""
    request = Request(path="/users/7", method="POST")
    assert cells.action(a_record(action="POST", request=request)) == "POST /users/7"
    assert cells.action(a_record(action="POST /users/{id}", request=request)) == "POST /users/{id}"
    assert cells.action(a_record(action="user.rename", request=request)) == "user.rename"
    assert cells.action(a_record(action="user.rename", request=None)) == "user.rename"


def test_an_actor_begins_with_the_id_that_filters_take() -> None:
    """Then the name, then in whose stead."""
    assert cells.actor(None) == ""
    assert cells.actor(Actor("42")) == "42"
    assert cells.actor(Actor("42", name="Ada", on_behalf_of=Actor("7"))) == "42 (Ada) for 7"


def test_of_several_targets_the_first_is_shown_and_the_others_counted() -> None:
    """The cell stays short, and says that there is more."""
    one, other = Target("1", type="invoice"), Target("2")
    assert cells.targets(a_record(targets=None)) == ""
    assert cells.targets(a_record(targets=[other])) == "2"
    assert cells.targets(a_record(targets=[one, other, other])) == "invoice 1 +2"


def test_the_code_is_the_status_or_how_a_websocket_was_closed() -> None:
    """A handshake that was refused has a status, an open connection a close code, an event neither."""
    quiet = Traffic(messages=0, bytes=0)
    assert cells.code(a_record()) == "403"
    assert cells.code(a_record(websocket=WebSocket(received=quiet, sent=quiet, code=1000))) == "1000"
    assert cells.code(a_record(websocket=WebSocket(received=quiet, sent=quiet))) == "403"
    assert cells.code(a_record(response=None)) == ""


def test_every_outcome_has_a_colour() -> None:
    """So have the trail's own records, of which a loss is as loud as an error."""
    assert set(cells.OUTCOME_STYLE) == set(Outcome)
    assert cells.style_of(a_record()) == "bold yellow"
    assert cells.style_of(a_record(outcome=None, kind=Kind.LOSS)) == "bold red"
    assert cells.style_of(a_record(outcome=None, kind=Kind.OPEN)) == "dim"


def test_the_address_may_be_missing() -> None:
    """An event outside any request comes from nowhere."""
    assert cells.address(a_record()) == "192.0.2.1"
    assert cells.address(a_record(source=None)) == ""
