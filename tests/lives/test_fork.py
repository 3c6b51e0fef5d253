"""Forks: the child is a writer of its own, and has nothing of its parent's."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asgi_audit import AuditTrail, JSONLinesSink
from asgi_audit.sinks import AnySink
from asgi_audit.testing import FailingSink
from tests.lives.processes import in_child, run_script
from tests.lives.stored import Entry, by_writer, in_lines, in_sqlite

SINKS = ["sqlite", "lines"]


def sink_at(kind: str, path: Path) -> AnySink:
    """A sink whose records other processes can see."""
    return f"sqlite:///{path}" if kind == "sqlite" else JSONLinesSink(path)


def stored(kind: str, path: Path) -> list[Entry]:
    """What the sink has."""
    return in_sqlite(path) if kind == "sqlite" else in_lines(path)


@pytest.fixture(params=SINKS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of sink in turn."""
    kind: str = request.param
    return kind


def test_parent_and_child_record_before_and_after(kind: str, tmp_path: Path) -> None:
    """Each record is stored once, by the process that made it; the child has another writer id, and counts from 0."""
    path = tmp_path / "trail"
    trail = AuditTrail(sink_at(kind, path))
    trail.event("before")
    trail.flush()
    trail.event("just.before")  # pending in the parent at the fork, perhaps

    def child() -> str:
        trail.event("child")
        trail.close()
        return trail.stats().writer

    child_writer = in_child(child)
    trail.event("after")
    trail.close()
    assert by_writer(stored(kind, path)) == {
        trail.stats().writer: ["trail.open", "before", "just.before", "after", "trail.close"],
        child_writer: ["trail.open", "child", "trail.close"],
    }


def test_the_child_of_a_parent_that_has_not_begun(kind: str, tmp_path: Path) -> None:
    """As a server does that loads the application and then forks: the trail is there, its thread is not."""
    path = tmp_path / "trail"
    trail = AuditTrail(sink_at(kind, path))

    def child() -> None:
        with trail:
            trail.event("child")

    in_child(child)
    in_child(child)
    assert list(by_writer(stored(kind, path)).values()) == [["trail.open", "child", "trail.close"]] * 2


def test_what_waits_in_the_parent_is_not_the_childs(tmp_path: Path) -> None:
    """The child neither delivers nor counts it; the parent still does."""
    sink = FailingSink()
    trail = AuditTrail(sink, JSONLinesSink(tmp_path / "trail"))
    held = 100
    for number in range(held):
        trail.event(str(number))

    def child() -> tuple[int, list[str]]:
        before = trail.stats().accepted
        sink.error = None
        trail.event("child")
        trail.flush()
        return before, [record.action for record in sink.kept.everything]

    assert in_child(child) == (0, ["trail.open", "child"])
    assert trail.stats().sinks[0].pending == held + 1
    sink.error = None
    trail.close()
    assert [record.action for record in sink.kept.everything][1:-1] == [str(number) for number in range(held)]
    in_file = by_writer(in_lines(tmp_path / "trail"))
    assert in_file[trail.stats().writer] == [record.action for record in sink.kept.everything]
    assert sorted(map(len, in_file.values())) == [2, held + 2]


def test_grandchildren_are_writers_of_their_own(tmp_path: Path) -> None:
    """A child that forks leaves its own child as little as it was left."""
    path = tmp_path / "trail"
    trail = AuditTrail(JSONLinesSink(path))
    trail.event("0")

    def child() -> None:
        trail.event("1")
        in_child(grandchild)
        trail.close()

    def grandchild() -> None:
        trail.event("2")
        trail.close()

    in_child(child)
    trail.close()
    lives = by_writer(in_lines(path)).values()
    assert sorted(lives) == [["trail.open", str(depth), "trail.close"] for depth in range(3)]


def test_a_fork_while_other_threads_record_blocks_nobody(kind: str, tmp_path: Path) -> None:
    """Whatever locks they hold at that moment, in the child they are free; and no id is given out twice."""
    path = tmp_path / "trail"
    trail = AuditTrail(sink_at(kind, path))
    stop = threading.Event()

    def record() -> int:
        count = 0
        while not stop.is_set():
            for _ in range(20):
                trail.event("parent")
            trail.flush(timeout=60)
            count += 20
        return count

    def child() -> None:
        for _ in range(50):
            trail.event("child")
        trail.close()

    with ThreadPoolExecutor(3) as pool:
        counts = [pool.submit(record) for _ in range(3)]
        for _ in range(10):
            in_child(child)
        stop.set()
    trail.close(timeout=30)
    lives = by_writer(stored(kind, path))
    parent = lives.pop(trail.stats().writer)
    assert len(parent) == sum(count.result() for count in counts) + 2
    assert list(lives.values()) == [["trail.open", *["child"] * 50, "trail.close"]] * 10


def test_a_forked_child_drains_at_its_own_exit(tmp_path: Path) -> None:
    """A child that ends as a program does stores its records as any program."""
    script = """
        import os, warnings
        from asgi_audit import AuditTrail

        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks beside threads
        trail = AuditTrail("sqlite:///x.db")
        trail.event("before")
        if pid := os.fork():
            os.waitpid(pid, 0)
            trail.event("parent")
        else:
            trail.event("child")
    """
    run = run_script(script, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(by_writer(in_sqlite(tmp_path / "x.db")).values()) == [
        ["trail.open", "before", "parent", "trail.close"],
        ["trail.open", "child", "trail.close"],
    ]


def test_multiprocessing_children_record_too(tmp_path: Path) -> None:
    """Started by fork they take the trail with them. They end without `atexit`, so they close it themselves."""
    script = """
        import multiprocessing, warnings
        from asgi_audit import AuditTrail, acting_as

        warnings.simplefilter("ignore", DeprecationWarning)
        trail = AuditTrail("sqlite:///x.db")

        def work(number):
            with trail, acting_as(f"worker-{number}", type="job"):
                trail.event(f"work.{number}")

        if __name__ == "__main__":
            trail.event("before")
            context = multiprocessing.get_context("fork")
            children = [context.Process(target=work, args=[number]) for number in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
                assert child.exitcode == 0
    """
    run = run_script(script, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(by_writer(in_sqlite(tmp_path / "x.db")).values()) == [
        ["trail.open", "before", "trail.close"],
        *(["trail.open", f"work.{number}", "trail.close"] for number in range(3)),
    ]


def test_a_child_that_records_nothing_leaves_nothing(tmp_path: Path) -> None:
    """It opens nothing, writes nothing, and closing its inherited trail does nothing."""
    path = tmp_path / "trail"
    trail = AuditTrail(JSONLinesSink(path))
    trail.event("parent")
    in_child(trail.close)
    in_child(os.getpid)
    trail.close()
    assert list(by_writer(in_lines(path)).values()) == [["trail.open", "parent", "trail.close"]]
