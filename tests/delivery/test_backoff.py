import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.delivery.backoff import Backoff
from asgi_audit.delivery.options import Delivery
from asgi_audit.errors import ConfigurationError


@given(first=st.floats(0.001, 10), factor=st.floats(1, 1000), failures=st.integers(1, 60))
def test_pauses_grow_and_stay_bounded(first: float, factor: float, failures: int) -> None:
    """Each is at least half of its ceiling, which doubles until the longest; after a success it begins anew."""
    most = first * factor
    backoff = Backoff(first, most)
    ceiling = first
    for number in range(failures):
        ceiling = min(first * 2**number, most)
        assert ceiling / 2 <= backoff.next() <= ceiling
    backoff.waited(hurried=False)
    assert backoff.next() >= ceiling / 2
    backoff.waited(hurried=True)
    assert first / 2 <= backoff.next() <= first
    backoff.reset()
    assert first / 2 <= backoff.next() <= first


def test_pauses_differ() -> None:
    """Many processes that fail at the same time do not come back at the same time."""
    assert len({Backoff(1.0, 2.0).next() for _ in range(20)}) > 10


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("batch_size", 0), ("batch_size", -1), ("linger", -0.1), ("linger", float("nan"))),
        *(("deadline", 0), ("retry_first", 0), ("retry_most", -1), ("deadline", float("nan"))),
        ("retry_most", 0.01),
    ],
)
def test_options_that_cannot_work_are_refused(argument: str, value: float) -> None:
    """The error names the argument, its value and what to give instead."""
    with pytest.raises(ConfigurationError, match=f"{argument}={value!r}: give ") as caught:
        Delivery(**{argument: value})  # type: ignore[arg-type]
    assert (caught.value.argument, repr(caught.value.value)) == (argument, repr(value))
