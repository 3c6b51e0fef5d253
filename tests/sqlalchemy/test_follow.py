"""Which records a live view has shown."""

import time

import pytest

from asgi_audit.sqlalchemy import follow
from asgi_audit.sqlalchemy.follow import WINDOW, Follower
from asgi_audit.store import first_id

_NOW = time.time_ns() // 1000


def _id(seconds: float) -> str:
    """An id made so many seconds ago."""
    return first_id(_NOW - round(seconds * 1_000_000))


def test_an_id_is_new_once() -> None:
    """However often the window is read."""
    follower = Follower(_id(60))
    assert follower.unseen([_id(50), _id(40)]) == [_id(50), _id(40)]
    assert follower.unseen([_id(50), _id(45), _id(40)]) == [_id(45)]


def test_the_window_follows_the_newest() -> None:
    """It ends at the newest id and begins two minutes before."""
    follower = Follower(_id(1000))
    follower.unseen([_id(900), _id(500)])
    assert follower.floor == first_id(_NOW - 500_000_000 - _NOW % 1000 - WINDOW)


def test_a_clock_that_is_ahead_does_not_move_the_window() -> None:
    """A writer an hour ahead hides nobody else's records."""
    follower = Follower(_id(60))
    follower.unseen([first_id(time.time_ns() // 1000 + 3_600_000_000)])
    assert _id(60) <= follower.floor < first_id(time.time_ns() // 1000)


def test_the_seen_set_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many records lie in the window, it begins later."""
    monkeypatch.setattr(follow, "_MOST", 3)
    follower = Follower(_id(60))
    follower.unseen([_id(50), _id(40), _id(30), _id(20), _id(10)])
    assert follower.floor == _id(30)
    assert follower.unseen([_id(30), _id(10), _id(5)]) == [_id(5)]
