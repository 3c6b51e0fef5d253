"""What a test may expect of a record, and what it is told if the record is another."""

from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import Actor, Kind, Outcome, Record, Target
from asgi_audit.testing import MemoryTrail
from asgi_audit.testing.expectation import Expected, compare
from tests.samples import record

RECORD = record(
    action="invoice.approve",
    kind=Kind.HTTP,
    outcome=Outcome.SUCCESS,
    actor=Actor("42", type="user", source="set_actor", on_behalf_of=Actor("7", type="user")),
    targets=[Target("2026-117", type="invoice"), Target("9", type="account")],
    reason="four eyes",
    tenant=None,
    data={"cents": 1999, "currency": "EUR", "note": None},
)
NOTHING = record(actor=None, targets=None, data=None, request=None, response=None, outcome=None)


def equal(it: Record, expected: Any) -> bool:
    """Whether the record is as expected."""
    return all(each.equal for each in compare(it, expected))


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"action": "invoice.approve"},
        {"actor": "42"},
        {"actor": Actor("42")},
        {"actor": Actor("42", type="user")},
        {"actor": Actor("42", on_behalf_of=Actor("7"))},
        {"actor": ANY},
        {"target": "2026-117"},
        {"target": Target("9")},
        {"target": Target("9", type="account")},
        {"target": ["9", Target("2026-117", type="invoice")]},
        {"outcome": "success"},
        {"outcome": Outcome.SUCCESS},
        {"status": 200},
        {"tenant": None},
        {"data": {}},
        {"data": {"cents": 1999, "note": None}},
        {"data": ANY},
        {"kind": "http", "method": "POST", "path": "/users/7", "route": "/users/{id}"},
    ],
    ids=str,
)
def test_what_is_as_expected(expected: Expected) -> None:
    """An id names an actor or a target; what else is said of them must be so, and what is not said may be anything."""
    assert equal(RECORD, expected)


@pytest.mark.parametrize(
    "expected",
    [
        {"action": "invoice"},
        {"actor": "7"},
        {"actor": None},
        {"actor": Actor("42", type="job")},
        {"actor": Actor("42", name="Ada")},
        {"actor": Actor("42", on_behalf_of=Actor("8"))},
        {"target": "117"},
        {"target": None},
        {"target": Target("9", type="invoice")},
        {"target": ["9", "10"]},
        {"outcome": Outcome.DENIED},
        {"status": None},
        {"tenant": "acme"},
        {"data": None},
        {"data": {"amount": None}},
        {"data": {"cents": 2000}},
        {"kind": "event"},
        {"action": "invoice.approve", "method": "PUT"},
    ],
    ids=str,
)
def test_what_is_not(expected: Expected) -> None:
    """One field that differs is enough."""
    assert not equal(RECORD, expected)


@pytest.mark.parametrize("field", ["actor", "target", "data", "path", "status", "outcome"])
def test_none_is_for_what_is_not_said(field: Any) -> None:
    """A record that does not say it is as expected, and is not where anything else is."""
    assert equal(NOTHING, {field: None})
    assert not equal(NOTHING, {field: {"a": 1} if field == "data" else "a"})


fields = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from("ab"),
        "actor": st.none() | st.sampled_from("ab").map(Actor),
        "target": st.none() | st.sampled_from("ab").map(Target),
        "reason": st.none() | st.sampled_from("ab"),
        "tenant": st.none() | st.sampled_from("ab"),
        "data": st.none() | st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), min_size=1),
    },
)


@given(said=fields)
def test_a_record_is_as_it_says_itself(said: dict[str, Any]) -> None:
    """Whatever it says may be expected of it; and what it does not say, or says otherwise, may not."""
    changes = dict(said)
    if "target" in changes:
        target = changes.pop("target")
        changes["targets"] = None if target is None else [target]
    it = record(**changes)
    assert equal(it, said)
    for field in said:
        assert not equal(it, {**said, field: {"c": 1} if field == "data" else "c"})


@pytest.fixture
def trail() -> MemoryTrail:
    """Three records of which two are alike."""
    trail = MemoryTrail()
    trail.event("user.rename", actor="7", target=Target("9", type="user"))
    trail.event("invoice.approve", actor=Actor("7", type="user"), target=Target("1"), outcome="denied", data={"a": 1})
    trail.event("user.rename", actor="8")
    trail.close()
    return trail


def failure(trail: MemoryTrail, **expected: Any) -> str:
    """What a test is told."""
    with pytest.raises(AssertionError) as caught:
        trail.assert_audited(**expected)
    return str(caught.value)


def test_what_is_found_is_returned(trail: MemoryTrail) -> None:
    """One record, or as many as were asked for, in their order."""
    assert trail.assert_audited(action="invoice.approve") is trail.records[1]
    assert trail.assert_audited(times=1, action="invoice.approve") == [trail.records[1]]
    assert trail.assert_audited(times=2, action="user.rename") == trail.records[::2]
    assert trail.assert_audited(times=3) == trail.records
    assert trail.assert_audited(times=0, action="user.delete") == []


def test_the_nearest_records_are_shown(trail: MemoryTrail) -> None:
    """Field by field, as a test would write it; of equally near ones the latest first, which is the one just made."""
    expected = {"action": "invoice.approve", "actor": "42", "outcome": Outcome.SUCCESS, "target": None}
    assert failure(trail, **expected).splitlines() == [
        "expected 1 such record, found 0 among 3; the nearest (- expected, + recorded):",
        "",
        "record 3, event: user.rename, success",
        "  - action   'invoice.approve'",
        "  + action   'user.rename'",
        "  - actor    '42'",
        "  + actor    Actor('8', source='event')",
        "    outcome  'success'",
        "    target   None",
        "",
        "record 2, event: invoice.approve, denied",
        "    action   'invoice.approve'",
        "  - actor    '42'",
        "  + actor    Actor('7', source='event', type='user')",
        "  - outcome  'success'",
        "  + outcome  'denied'",
        "  - target   None",
        "  + target   Target('1')",
        "",
        "record 1, event: user.rename, success",
        "  - action   'invoice.approve'",
        "  + action   'user.rename'",
        "  - actor    '42'",
        "  + actor    Actor('7', source='event')",
        "    outcome  'success'",
        "  - target   None",
        "  + target   Target('9', type='user')",
    ]


def test_three_records_are_enough() -> None:
    """Those further off explain nothing."""
    trail = MemoryTrail()
    for number in range(20):
        trail.event(str(number))
    trail.close()
    assert failure(trail, action="x").count("  + action") == 3


def test_too_many_are_named(trail: MemoryTrail) -> None:
    """A trail that says a thing twice is as wrong as one that does not say it."""
    named = ["", "record 1, event: user.rename, success", "record 3, event: user.rename, success"]
    assert failure(trail, action="user.rename").splitlines() == [
        "expected 1 such record, found 2 among 3:",
        *named,
    ]
    assert failure(trail, action="user.rename", times=0).splitlines() == [
        "expected no such records, found 2 among 3:",
        *named,
    ]


def test_too_few_show_the_nearest_of_the_others(trail: MemoryTrail) -> None:
    """Not those that are as expected; if there are no others, that is said."""
    text = failure(trail, action="invoice.approve", times=2)
    assert text.startswith("expected 2 such records, found 1 among 3; the nearest")
    assert "record 2" not in text
    assert failure(trail, times=4) == "expected 4 such records, found 3 among 3"


def test_an_empty_trail_says_so() -> None:
    """The likeliest cause is that the application has another trail."""
    trail = MemoryTrail()
    assert failure(trail, action="a") == (
        "expected 1 such record, but nothing was recorded: does the application record into this trail?"
    )
    assert failure(trail, times=2).startswith("expected 2 such records, but nothing was recorded")
    assert trail.assert_audited(times=0) == []


def test_several_targets_are_shown(trail: MemoryTrail) -> None:
    """As a list."""
    text = failure(trail, target=["1", Target("2", name="b")])
    assert "  - target  ['1', Target('2', name='b')]" in text


def test_a_misspelt_field_is_refused(trail: MemoryTrail) -> None:
    """An expectation that nobody checks would be worse than none."""
    with pytest.raises(TypeError, match="a record has no acton; it has action, actor, target, outcome, status"):
        trail.assert_audited(times=0, acton="a")  # type: ignore[call-overload]
