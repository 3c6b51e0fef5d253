from typing import Any

from asgi_audit.health import SinkStats, Stats, judge


def stats(**of_sink: Any) -> Stats:
    """The counts of a trail with one sink that is well but for this."""
    counts = {"accepted": 5, "delivered": 5, "pending": 0, "lost": 0, "rejected": 0, "failed_attempts": 0}
    sink = SinkStats(**{"name": "db", "last_error": None, "backlog": 0} | counts | of_sink)
    return Stats(writer="w", accepted=5, undeclared=0, sinks=[sink], failures={})


def test_all_is_well() -> None:
    """A healthy trail is true, and says nothing."""
    health = judge(stats(), {}, problems=[], notes=[], running=True)
    assert health
    assert (health.status, health.problems, health.notes) == ("ok", [], [])


def test_a_sink_that_does_not_answer_is_failing() -> None:
    """With its error, and how much waits for it."""
    health = judge(
        stats(last_error="ConnectionError: no", pending=3, delivered=2), {}, problems=[], notes=[], running=True
    )
    assert not health
    assert (health.status, health.problems) == ("failing", ["sink db: ConnectionError: no; 3 pending"])


def test_a_thread_that_does_not_run_is_failing() -> None:
    """Nothing would be delivered."""
    health = judge(stats(), {}, problems=[], notes=[], running=False)
    assert (health.status, health.problems) == ("failing", ["the delivery thread does not run"])


def test_what_was_lost_or_failed_is_a_degradation() -> None:
    """In words and numbers, the worst first."""
    counts = stats(lost=4, delivered=1, rejected=1)
    health = judge(counts, {"b": 2, "a": 1}, problems=[], notes=[], running=True)
    assert not health
    assert health.status == "degraded"
    assert health.problems == ["sink db: 4 lost", "sink db: 1 rejected", "a: 1", "b: 2"]
    assert judge(stats(last_error="x"), {"a": 1}, problems=[], notes=[], running=True).status == "failing"
    assert health.stats is counts


def test_what_the_journal_says_is_passed_on() -> None:
    """What does not work is failing, the rest is good to know."""
    health = judge(stats(), {}, problems=[], notes=["the journal is in memory"], running=True)
    assert health
    assert health.notes == ["the journal is in memory"]
    assert judge(stats(), {}, problems=["no space"], notes=[], running=True).status == "failing"


def test_a_backlog_waits_for_the_sink_too() -> None:
    """What dead writers have left counts as pending where a sink does not answer."""
    health = judge(stats(last_error="down", backlog=7), {}, problems=[], notes=[], running=True)
    assert health.problems == ["sink db: down; 7 pending"]
