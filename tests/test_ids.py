import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.ids import IdSource, Randomness

T = TypeVar("T")
_MILLISECOND = 1_000_000  # nanoseconds
_NOW = 1_795_000_000 * 1_000 * _MILLISECOND


def milliseconds(record_id: str) -> int:
    """The time in an id."""
    return uuid.UUID(record_id).int >> 80


def set_clock(monkeypatch: pytest.MonkeyPatch, times: Iterator[int]) -> None:
    """Let the wall clock show these times, in nanoseconds."""
    monkeypatch.setattr(time, "time_ns", lambda: next(times))


def in_eight_threads(make: Callable[[], T]) -> list[list[T]]:
    """What each thread makes, a thousand times, while the others do."""
    made: list[list[T]] = [[] for _ in range(8)]

    def work(mine: list[T]) -> None:
        mine.extend(make() for _ in range(1000))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def test_an_id_is_a_uuid_of_version_7() -> None:
    """In its canonical form, with the time it was made (RFC 9562, section 5.7)."""
    before = time.time_ns() // _MILLISECOND
    each = IdSource().new_id()
    after = time.time_ns() // _MILLISECOND
    assert str(uuid.UUID(each)) == each
    assert uuid.UUID(each).version == 7
    assert uuid.UUID(each).variant == uuid.RFC_4122
    assert before <= milliseconds(each) <= after


@given(st.lists(st.integers(-9_000, 5_000), min_size=2, max_size=50))
def test_ids_increase_whatever_the_clock_does(steps: list[int]) -> None:
    """Within a writer, as long as no step back exceeds ten seconds."""
    source = IdSource()
    ids = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        for step in steps:
            set_clock(monkeypatch, iter([_NOW + step * _MILLISECOND // 10]))
            ids.append(source.new_id())
    assert ids == sorted(set(ids))


def test_ids_of_one_moment_increase(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand within one tick, and the clock is hardly left."""
    monkeypatch.setattr(time, "time_ns", lambda: _NOW)
    source = IdSource()
    ids = [source.new_id() for _ in range(10_000)]
    assert ids == sorted(set(ids))
    assert milliseconds(ids[-1]) - _NOW // _MILLISECOND <= 3


def test_ids_return_to_a_clock_that_was_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By more than ten seconds, as when a wrong clock is put right: else records would stand in the future."""
    set_clock(monkeypatch, iter([_NOW + 3_600_000 * _MILLISECOND, _NOW]))
    source = IdSource()
    source.new_id()
    assert milliseconds(source.new_id()) == _NOW // _MILLISECOND


def test_the_fraction_of_a_millisecond_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve bits of it, so that ids of several writers follow the clock more finely."""
    set_clock(monkeypatch, iter([_NOW + _MILLISECOND // 2]))
    assert (uuid.UUID(IdSource().new_id()).int >> 64) & 0xFFF == 2048


def test_threads_get_different_ids() -> None:
    """Each in increasing order."""
    source = IdSource()
    ids = in_eight_threads(source.new_id)
    assert len({each for mine in ids for each in mine}) == 8000
    assert all(mine == sorted(mine) for mine in ids)


def test_salts_are_three_times_sixteen_bytes() -> None:
    """Never the same twice."""
    source = IdSource()
    salts = [source.new_salts() for _ in range(500)]
    assert all(re.fullmatch("[0-9a-f]{96}", each) for each in salts)
    assert len({each[at : at + 32] for each in salts for at in (0, 32, 64)}) == 1500


def test_no_random_byte_is_handed_out_twice() -> None:
    """Also while several threads fetch new ones at once."""
    random = Randomness()
    taken = in_eight_threads(random.take)
    assert len({each for mine in taken for each in mine}) == 8000


def test_an_id_and_its_salts_share_no_byte() -> None:
    """What is made public in the id says nothing of the salts."""
    record_id, salts = IdSource().new()
    assert record_id[-12:] not in salts
    assert len(salts) == 96


def test_a_child_hands_out_nothing_of_its_parents() -> None:
    """After a fork what is left is thrown away, and the lock, which another thread may have held, is new."""
    source = IdSource()
    source.new_id()
    with source._lock:
        random = source._random
        renewed = threading.Thread(target=source._renew)
        renewed.start()
        renewed.join(10)
        assert not renewed.is_alive()
        making = threading.Thread(target=source.new_id)
        making.start()
        making.join(10)
        assert not making.is_alive()
        assert source._random is not random


def test_ids_follow_the_calendar() -> None:
    """Bounds of time are bounds of ids: what is older sorts before."""
    assert milliseconds(IdSource().new_id()) > datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000
