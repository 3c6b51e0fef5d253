"""A journal's place that is taken away, changed, or closed, while requests go on."""

import shutil
from pathlib import Path

import httpx

from tests.delivery.faulty import Faulty, failing, fine
from tests.limits.machines import run_on_disk, run_unprivileged
from tests.limits.service import Service, segments
from tests.servers.servers import serving


def test_a_directory_removed_under_a_running_server(tmp_path: Path) -> None:
    """The server answers as before; what was in the journal is written again, and nothing is lost."""
    place, sink = tmp_path / "journal", Faulty(failing)
    service = Service(place, sink)
    service.kept = sink.kept
    with serving("uvicorn-h11-asyncio", service.app) as server, httpx.Client(base_url=server.http) as client:
        for number in range(30):
            if number % 10 == 5:
                shutil.rmtree(place)
            assert client.post("/orders").status_code == 201
            service.issued += 1
        assert client.post("/payments").status_code == 201
        service.issued += 1
    sink.behave = fine
    service.trail.flush()
    assert service.owes_nothing(), service.balance()
    service.trail.close()


def test_a_segment_that_was_deleted(tmp_path: Path) -> None:
    """It is written again from the file that is still open: nothing is lost, and nothing is said to be."""
    place, sink = tmp_path / "journal", Faulty(failing)
    service = Service(place, sink)
    service.kept = sink.kept
    assert service.post(10) == {201}
    for segment in segments(place):
        segment.unlink()
    assert service.post(10) == {201}
    sink.behave = fine
    service.trail.flush()
    assert service.balance() == {"issued": 20, "stored": 20, "declared lost": 0}
    assert service.owes_nothing()
    service.trail.close()


def test_permissions_that_are_withdrawn(tmp_path: Path) -> None:
    """After `chmod 000` on the place and the writer's directory requests go on, and nothing is lost in silence."""
    run_unprivileged(
        """
        import os, sys
        from pathlib import Path
        from tests.delivery.faulty import Faulty, failing, fine
        from asgi_audit.journal import FileJournal
        from tests.limits.service import Service

        place, sink = Path(sys.argv[1]) / "journal", Faulty(failing)
        service = Service(FileJournal(place, max_bytes=2**16), sink)
        service.kept = sink.kept
        assert service.post(5) == {201}
        writer = place / service.trail.stats().writer
        writer.chmod(0)
        place.chmod(0)
        assert not os.access(place, os.W_OK)
        assert service.post(100) == {201}
        place.chmod(0o700)
        writer.chmod(0o700)
        sink.behave = fine
        service.trail.flush()
        assert service.post(5) == {201}
        service.trail.flush()
        assert service.owes_nothing(), service.balance()
        service.trail.close()
        """,
        tmp_path,
    )


def test_a_directory_that_can_only_be_read(tmp_path: Path) -> None:
    """A given directory that can't be used means memory, and `health()` says so; requests are recorded all the same."""
    run_unprivileged(
        """
        import sys
        from pathlib import Path
        from asgi_audit import AuditTrail
        from asgi_audit.testing import MemorySink

        place = Path(sys.argv[1]) / "closed"
        place.mkdir(mode=0o500)
        sink = MemorySink()
        trail = AuditTrail(sink, journal=place)
        trail.event("x")
        trail.flush()
        assert [record.action for record in sink.records] == ["x"]
        health = trail.health()
        assert any("no journal can be in" in problem for problem in health.problems), health
        assert any("in memory" in note for note in health.notes), health
        assert health.status == "degraded"
        """,
        tmp_path,
    )


def test_a_required_request_is_never_recorded_in_memory(tmp_path: Path) -> None:
    """On a read-only file system what must be on record is refused, and its handler never runs; the rest goes on."""
    run_on_disk(
        """
        import sys
        from pathlib import Path
        from tests.limits.service import Service

        service = Service(Path(sys.argv[1]) / "journal")
        assert service.post(5, "/payments") == {503}
        assert service.entered == 0
        assert service.post(5) == {201}
        assert service.entered == 5
        health = service.trail.health()
        assert health.status == "failing"
        assert "Read-only file system" in health.problems[0], health
        assert service.trail.stats().undeclared == 11
        """,
        tmp_path,
        "size=256k,ro",
    )
