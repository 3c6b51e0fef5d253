import logging
import threading

import pytest

from asgi_audit.failures import Failures, logger


def raised(error: Exception) -> Exception:
    """The error, with the place where it was raised."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - whichever
        return caught


def test_a_failure_is_counted_and_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Per kind; the next line says how many there were."""
    clock = 1000.0
    failures = Failures(lambda: clock)
    for _ in range(5):
        failures.note("a")
    failures.note("b")
    clock += 61
    failures.note("a")
    assert failures.counts() == {"a": 6, "b": 1}
    assert [line.getMessage() for line in caplog.records] == [
        "a (1 so far; said at most once a minute)",
        "b (1 so far; said at most once a minute)",
        "a (6 so far; said at most once a minute)",
    ]
    assert {line.name for line in caplog.records} == {"asgi_audit"}
    assert {line.levelname for line in caplog.records} == {"WARNING"}


def test_what_has_not_happened_for_ten_minutes_is_no_longer_recent() -> None:
    """It stays in the counts; but a trail that has recovered is well again."""
    clock = 0.0
    failures = Failures(lambda: clock)
    failures.note("a")
    clock += 599
    failures.note("b")
    assert failures.recent() == {"a": 1, "b": 1}
    clock += 1
    assert failures.recent() == {"b": 1}
    assert failures.counts() == {"a": 1, "b": 1}


def test_an_error_is_named_with_its_place_but_not_its_message(caplog: pytest.LogCaptureFixture) -> None:
    """The message may hold what a client has sent; a detail is ours."""
    failures = Failures()
    failures.note("a", raised(ValueError("canary")), "harmless")
    failures.note("b", ValueError("canary"))
    first, second = (line.getMessage() for line in caplog.records)
    assert first.startswith("a: ValueError at ")
    assert "test_failures.py:" in first
    assert ": harmless (" in first
    assert second.startswith("b: ValueError (1 so far")
    assert "canary" not in caplog.text


def test_a_log_handler_that_raises_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Least of all the request."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError

    handler = Handler()
    logger.addHandler(handler)
    try:
        failures = Failures()
        failures.note("a")
    finally:
        logger.removeHandler(handler)
    assert failures.counts() == {"a": 1}


def test_an_exception_that_cannot_be_described_reaches_nobody() -> None:
    """A class may refuse even its name."""

    class Nameless(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise RuntimeError

    class Odd(Exception, metaclass=Nameless):  # noqa: N818 - odd as it is
        pass

    failures = Failures()
    failures.note("a", Odd())
    assert failures.counts() == {"a": 1}


def test_threads_count_side_by_side() -> None:
    """Nothing is missed."""
    failures = Failures()

    def work() -> None:
        for _ in range(500):
            failures.note("a")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures.counts() == {"a": 4000}


def test_a_child_need_not_wait_for_a_lock_of_its_parents() -> None:
    """A fork may come while another thread notes a failure; the counts stay."""
    failures = Failures()
    failures.note("a")
    with failures._lock:
        renewed = threading.Thread(target=failures._renew)
        renewed.start()
        renewed.join(10)
        noting = threading.Thread(target=failures.note, args=("a",))
        noting.start()
        noting.join(10)
    assert failures.counts() == {"a": 2}
