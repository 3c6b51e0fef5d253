"""Several processes in one place: each has its own, and what a dead one has left is taken by one of them."""

import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from asgi_audit import AuditTrail
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal
from tests.delivery.faulty import Faulty, failing, fine
from tests.limits.machines import run, start
from tests.limits.service import Service, segments
from tests.lives.processes import in_child

_PATIENCE = 20.0
_BLINK = 0.01
_FALLEN = """
    import os, signal, sys, time
    from pathlib import Path
    from tests.delivery.faulty import Faulty, failing
    from tests.limits.service import Service

    {clock}
    service = Service(Path(sys.argv[1]), Faulty(failing))
    service.post({count})
    os.kill(os.getpid(), signal.SIGKILL)
"""

_HEIR = """
    import sys
    from pathlib import Path
    from asgi_audit import JSONLinesSink
    from tests.limits.service import Service

    class Lines(JSONLinesSink):
        def __init__(self, path):
            super().__init__(path)
            self.name = "faulty"

    place = Path(sys.argv[1])
    service = Service(place / "journal", Lines(place / f"{sys.argv[2]}.jsonl"))
    print("ready", flush=True)
    sys.stdin.readline()
    service.trail.open()
    sys.stdin.readline()
    service.trail.close()
"""


def fall(place: Path, count: int, clock: str = "") -> None:
    """Let a process record so many requests, deliver none, and be killed."""
    process = start(_FALLEN.format(count=count, clock=clock), place)
    assert process.wait(60) == -signal.SIGKILL


def inherit(service: Service, count: int) -> None:
    """Wait until the service has stored so many requests."""
    until = time.monotonic() + _PATIENCE
    # What another process leaves is taken by a thread of its own, without an event.
    while len(service.kept.records) < count or any(sink.backlog for sink in service.trail.stats().sinks):
        assert time.monotonic() < until, (service.balance(), service.trail.health())
        time.sleep(_BLINK)


def heir(place: Path) -> Service:
    """A healthy service that takes over what the fallen ones have left."""
    sink = Faulty(fine)
    service = Service(place, sink)
    service.kept = sink.kept
    service.trail.open()
    return service


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """Ten years ahead, then an hour back: what was left is recovered, ids stay unique, numbers without a gap."""
    fall(tmp_path, 10, "now = time.time_ns; time.time_ns = lambda: now() + 315_360_000 * 10**9")
    fall(tmp_path, 10, "now = time.time_ns; time.time_ns = lambda: now() - 3_600 * 10**9 * (now() % 2)")
    service = heir(tmp_path)
    inherit(service, 20)
    service.post(5)
    service.trail.flush()
    service.issued += 20
    assert service.owes_nothing(), service.balance()
    assert len({record.id for record in service.kept.everything}) == len(service.kept.everything)
    service.trail.close()


def test_a_fork_after_the_journal_was_opened(tmp_path: Path) -> None:
    """The child is another writer, and when it has ended, its parent's lock still holds; no id comes twice."""
    sink = Faulty(failing)
    parent = Service(tmp_path, sink)
    parent.kept = sink.kept
    parent.post(5)

    def child() -> tuple[str, list[str]]:
        sink.behave = fine
        parent.post(5)
        parent.trail.flush()
        parent.trail.close()
        return parent.trail.stats().writer, [record.id for record in parent.kept.everything]

    writer, ids = in_child(child)
    assert writer != parent.trail.stats().writer
    assert not _adopts(tmp_path), "the parent lives"
    sink.behave = fine
    parent.trail.flush()
    assert parent.owes_nothing(), parent.balance()
    assert not {record.id for record in parent.kept.everything} & set(ids)
    parent.trail.close()


def test_rotation_under_a_living_writer(tmp_path: Path) -> None:
    """While segments come and go, another process may look: it adopts nothing."""
    sink = Faulty(fine)
    living = Service(FileJournal(tmp_path, max_bytes=2**16), sink)
    living.kept = sink.kept
    names = set()
    for _ in range(20):
        living.post(10)
        names |= {segment.name for segment in segments(tmp_path)}
        assert not _adopts(tmp_path)
        living.trail.flush()
    assert len(names) > 3
    assert living.balance() == {"issued": 200, "stored": 200, "declared lost": 0}
    living.trail.close()


def test_eight_processes_adopt_at_once(tmp_path: Path) -> None:
    """Exactly one takes each dead writer, and no record is delivered twice."""
    for _ in range(3):
        fall(tmp_path / "journal", 20)
    heirs = [start(_HEIR, tmp_path, number, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for number in range(8)]
    for process in heirs:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in heirs:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    until = time.monotonic() + _PATIENCE
    while (found := _delivered(tmp_path)).total() < 60:  # other processes' files: there is no event
        assert time.monotonic() < until, found.total()
        time.sleep(_BLINK)
    for process in heirs:
        process.communicate("end\n", timeout=60)
        assert process.returncode == 0
    found = _delivered(tmp_path)
    assert found.total() == len(found) == 60, "each once, by one of the eight"
    assert list((tmp_path / "journal").iterdir()) == []


def test_two_services_in_one_default_place(tmp_path: Path) -> None:
    """Beside one database each service has a directory of its own, and leaves that of the other alone."""
    run(
        """
        import os, sys
        from pathlib import Path
        from asgi_audit import AuditTrail, Delivery

        where = Path(sys.argv[1])
        url = f"sqlite:///{where}/audit.db"
        pid = os.fork()
        if pid == 0:
            AuditTrail(url, service="billing", delivery=Delivery(linger=60)).event("bill")
            os._exit(0)
        os.waitpid(pid, 0)
        (left,) = where.glob("*.journal-*/*")
        with AuditTrail(url, service="shipping") as trail:
            trail.event("ship")
            trail.flush()
        assert left.exists()
        assert (left / "000001.seg").exists()
        """,
        tmp_path,
    )


def test_a_list_of_sinks_that_changed(tmp_path: Path) -> None:
    """A removed sink's records are kept; a new one gets nothing old; the one that stayed gets all."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from asgi_audit import AuditTrail
        from asgi_audit.journal import FileJournal
        from tests.delivery.faulty import Faulty, failing

        trail = AuditTrail(Faulty(failing, "stays"), Faulty(failing, "goes"), journal=FileJournal(sys.argv[1]))
        for number in range(10):
            trail.event(f"old.{number}")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert start(script, tmp_path).wait(60) == -signal.SIGKILL
    stays, comes = Faulty(fine, "stays"), Faulty(fine, "comes")
    trail = AuditTrail(stays, comes, journal=FileJournal(tmp_path), delivery=Delivery(linger=0.0))
    trail.open()
    stays.wait(lambda: len(stays.actions) == 10)
    trail.event("new")
    trail.flush()
    assert comes.actions == ["new"]
    assert Counter(stays.actions) == Counter([*(f"old.{number}" for number in range(10)), "new"])
    trail.close()
    (kept,) = tmp_path.iterdir()
    assert any(kept.glob("*.seg")), "the sink that went may come back"

    goes = Faulty(fine, "goes")
    again = AuditTrail(goes, journal=FileJournal(tmp_path), delivery=Delivery(linger=0.0))
    again.open()
    goes.wait(lambda: len(goes.actions) == 10)
    again.close()
    assert list(tmp_path.iterdir()) == []


def _adopts(place: Path) -> bool:
    """Whether somebody else who looks now finds anything to take over."""
    journal = FileJournal(place)
    other = Service(journal, Faulty(fine))
    journal.look()
    found = bool(journal.backlog())
    other.trail.close()
    return found


def _delivered(where: Path) -> Counter[str]:
    lines = [line for path in where.glob("*.jsonl") for line in path.read_text().splitlines() if line.endswith("}")]
    return Counter(record["id"] for record in map(json.loads, lines) if record["kind"] == "http")
