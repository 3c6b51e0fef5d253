"""The record: its JSON form is a law."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given

from asgi_audit import Actor, Kind, Record, Target
from asgi_audit.record import VERSION, Response, decode, encode
from tests.strategies import records

PLAIN = Record(v=VERSION, id="i", kind=Kind.EVENT, time=datetime(2026, 11, 23, tzinfo=UTC), action="a")


@given(records())
def test_json_round_trip(record: Record) -> None:
    """What is encoded decodes to the same record."""
    assert decode(encode(record)) == record


@given(records())
def test_json_has_sorted_keys_and_no_nulls(record: Record) -> None:
    """Keys are sorted, fields that are null are absent, the version is always there."""
    raw = msgspec.json.decode(encode(record))
    assert encode(record) == msgspec.json.encode(raw, order="sorted")
    assert raw["v"] == VERSION
    assert None not in [value for name, value in raw.items() if name != "data"]


def test_to_json_is_one_line() -> None:
    """A sink needs no encoder of its own."""
    assert PLAIN.to_json() == b'{"action":"a","id":"i","kind":"event","time":"2026-11-23T00:00:00Z","v":1}'


def test_a_record_can_not_be_changed() -> None:
    """Records are values."""
    with pytest.raises(AttributeError):
        PLAIN.action = "b"  # type: ignore[misc]


def test_status_is_that_of_the_response_or_null() -> None:
    """`status` reads the response's status, and is never guessed."""
    assert PLAIN.status is None
    assert msgspec.structs.replace(PLAIN, response=Response(status=204)).status == 204


def test_id_first_and_the_rest_by_keyword() -> None:
    """Actors and targets take their id by position, everything else by name."""
    assert Actor("42", type="user").id == Target("42", name="x").id == "42"
    with pytest.raises(TypeError):
        Actor("42", "user")  # type: ignore[call-arg]
