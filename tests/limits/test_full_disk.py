"""A disk that is full, or as good as full: requests go on, and what was lost is said as soon as it can be said."""

from pathlib import Path

from tests.limits.machines import run, run_on_disk


def test_a_full_disk_loses_no_request_and_hides_no_loss(tmp_path: Path) -> None:
    """On 256 KiB that something else has filled, requests get their answers, health fails at once; then all is told."""
    run_on_disk(
        """
        import os, sys
        from pathlib import Path
        from tests.limits.service import Service

        disk = Path(sys.argv[1])
        service = Service(disk / "journal")
        assert service.post(10) == {201}
        service.trail.flush()
        assert service.trail.health()

        ballast = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY)
        size = 2**16
        while size:
            try:
                os.write(ballast, b"x" * size)
            except OSError:
                size //= 2
        assert service.post(200) == {201}
        health = service.trail.health()
        assert health.status == "failing", health
        assert "of the disk is free" in health.problems[0], health
        assert service.post(1, "/payments") == {503}
        assert service.entered == service.issued - 1
        assert service.trail.stats().undeclared > 0

        os.unlink(disk / "ballast")
        os.close(ballast)
        assert service.post(10) == {201}
        service.trail.flush()
        assert service.trail.stats().undeclared == 0
        assert service.owes_nothing(), service.balance()
        assert service.balance()["declared lost"] > 0
        assert service.trail.health().status == "degraded"
        service.trail.close()
        assert list((disk / "journal").iterdir()) == []
        """,
        tmp_path,
    )


def test_a_journal_that_fills_the_disk_itself(tmp_path: Path) -> None:
    """A sink that hangs while 256 KiB fill up: what has room is delivered later, the rest declared."""
    run_on_disk(
        """
        import sys
        from pathlib import Path
        from tests.delivery.faulty import Faulty, failing, fine
        from tests.limits.service import Service

        sink = Faulty(failing)
        service = Service(Path(sys.argv[1]) / "journal", sink)
        service.kept = sink.kept
        assert service.post(2_000) == {201}
        assert service.trail.stats().undeclared > 0
        assert service.trail.health().status == "failing"
        sink.behave = fine
        service.trail.flush()
        assert service.post(3) == {201}
        service.trail.flush()
        balance = service.balance()
        assert service.owes_nothing(), balance
        assert balance["stored"] > 50
        assert balance["declared lost"] > 1_000
        """,
        tmp_path,
    )


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """RLIMIT_FSIZE cuts writes short: no half an entry is taken for a whole one, and nothing is lost in silence."""
    run(
        """
        import resource, sys
        from pathlib import Path
        from tests.limits.service import Service

        resource.setrlimit(resource.RLIMIT_FSIZE, (10_001, 10_001))
        service = Service(Path(sys.argv[1]) / "journal")
        for _ in range(20):
            assert service.post(10) == {201}
            service.trail.flush()
        assert service.owes_nothing(), service.balance()
        assert service.balance()["stored"] > 100, service.balance()
        service.trail.close()
        """,
        tmp_path,
    )


def test_memory_is_bounded_while_disk_and_sink_both_fail(tmp_path: Path) -> None:
    """With the disk full and the sink hanging, 4,000 more requests leave no more in memory than the first 4,000."""
    run_on_disk(
        """
        import gc, os, sys, tracemalloc
        from pathlib import Path
        from tests.delivery.faulty import Faulty, hanging
        from tests.limits.service import Service

        sink = Faulty(hanging)
        service = Service(Path(sys.argv[1]) / "journal", sink)
        assert service.post(4_000) == {201}
        tracemalloc.start()
        assert service.post(500) == {201}
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        assert service.post(4_000) == {201}
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        assert after - before < 100_000, after - before
        os._exit(0)  # with the sink hanging, the end would take its time
        """,
        tmp_path,
    )
