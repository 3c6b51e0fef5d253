"""A trail that is given a key seals what it stores, in its own delivery thread."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asgi_audit import AuditTrail, JSONLinesSink
from asgi_audit.anchors import LoggerAnchor
from asgi_audit.delivery import worker
from asgi_audit.integrity.mac import MacKey
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.sealing import Seal
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import DatabaseEvidence, SQLAlchemySink, upgrade_database
from asgi_audit.verification import Verifier
from tests.delivery.faulty import FAST
from tests.lives.processes import in_child, run_script
from tests.sealed.log import Log
from tests.sealed.tables import sound
from tests.sealed.told import PATIENCE, ToldAnchor

KEY = SigningKey.generate("audit.example/app")


def verified(url: str, anchor: ToldAnchor | None = None, mac: MacKey | None = None) -> Report:
    """What a verifier says."""
    verifier = Verifier(keys=[KEY.verifier], anchors=[anchor] if anchor else [], mac=mac)
    return asyncio.run(verifier.verify(DatabaseEvidence(url)))


def sealed(url: str) -> int:
    """How many records are sealed; the tables are whole."""
    return len(asyncio.run(sound(url)).leaves)


def failures_of(trail: AuditTrail) -> dict[str, int]:
    """The trail's own; what was said outside of any request is counted for the process, and other tests say it too."""
    return {kind: count for kind, count in trail.stats().failures.items() if not kind.startswith("called outside")}


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last pass may take long where the tests do."""
    monkeypatch.setattr(worker, "_LAST_PASS", PATIENCE)


def test_what_is_stored_is_sealed_soon(url: str) -> None:
    """Every few seconds, or as often as one likes; the anchor is told."""
    asyncio.run(upgrade_database(url))
    anchor = ToldAnchor()
    trail = AuditTrail(url, delivery=FAST, seal=Seal(KEY, anchors=[anchor], every=0.01))
    for number in range(3):
        trail.event(str(number))
        anchor.wait(lambda number=number: anchor.size >= number + 2)  # type: ignore[misc]
    trail.close(PATIENCE)
    assert sealed(url) == anchor.size == 5
    report = verified(url, anchor)
    assert (report.verdict, report.sealed, report.unsealed) == (Verdict.PASS, 5, 0)
    assert trail.health()


def test_the_last_pass_is_at_the_end(url: str) -> None:
    """Whoever closes the trail has it sealed, with the record of the closing; opened again, it goes on."""
    anchor = ToldAnchor()
    trail = AuditTrail(url, seal=Seal(KEY, anchors=[anchor], every=3600))
    for round_ in range(2):
        trail.event("one")
        trail.close(PATIENCE)
        assert anchor.size == 3 + 3 * round_
    assert sealed(url) == 6
    assert verified(url, anchor).verdict is Verdict.PASS


def test_without_a_key_it_is_sealed_all_the_same(url: str) -> None:
    """The checkpoints are unsigned."""
    with AuditTrail(url, seal=Seal()) as trail:
        trail.event("one")
    assert sealed(url) == 3
    report = verified(url)
    assert [finding.kind for finding in report.findings] == ["signature"]


def test_the_first_database_among_the_sinks_is_sealed(url: str, tmp_path: Path) -> None:
    """Whatever stands before it."""
    other = f"sqlite:///{tmp_path}/second.db"
    trail = AuditTrail(JSONLinesSink(tmp_path / "lines"), url, other, seal=Seal(KEY))
    trail.event("one")
    trail.close(PATIENCE)
    assert (sealed(url), sealed(other)) == (3, 0)


def test_macs_and_seals_go_together(url: str) -> None:
    """The sink makes the ones, the sealer the others."""
    mac, anchor = MacKey(b"m" * 32), ToldAnchor()
    trail = AuditTrail(SQLAlchemySink(url, mac=mac), seal=Seal(KEY, anchors=[anchor]))
    trail.event("one")
    trail.close(PATIENCE)
    assert verified(url, anchor, mac).verdict is Verdict.PASS


EXITS = {"the end of the script": "pass", "sys.exit": "sys.exit(0)", "a thread that goes on": "thread.start()"}


@pytest.mark.parametrize("ending", EXITS)
def test_leaving_the_interpreter_seals_what_was_stored(ending: str, tmp_path: Path) -> None:
    """Nobody has closed the trail, and no pass was due. Each kind of anchor still hears of it."""
    KEY.save(tmp_path / "audit.key")
    script = f"""
        import logging, sys, threading
        from asgi_audit import AuditTrail, Delivery
        from asgi_audit.sealing import Seal

        logging.getLogger("asgi_audit.checkpoints").addHandler(logging.FileHandler("logged.jsonl"))
        logging.getLogger("asgi_audit.checkpoints").setLevel("INFO")
        seal = Seal("audit.key", anchors=["file.jsonl", "logger:"], every=3600)
        trail = AuditTrail("sqlite:///x.db", delivery=Delivery(linger=60), seal=seal)
        thread = threading.Thread(target=lambda: trail.event("thread"))
        trail.event("one")
        {EXITS[ending]}
    """
    run = run_script(script, tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    url = f"sqlite:///{tmp_path}/x.db"
    [note] = asyncio.run(sound(url)).notes
    assert sealed(url) == (4 if "thread" in ending else 3)
    log = Log(url, tmp_path, key=KEY)
    for place in ("file.jsonl", "logged.jsonl"):
        log.anchor = tmp_path / place
        assert asyncio.run(log.verify()).verdict is Verdict.PASS
    assert note.startswith(f"{KEY.name}\n")


def test_forked_workers_seal_one_database(url: str, tmp_path: Path) -> None:
    """Parent and children write and seal at the same time: everything is sealed once, by one of them."""
    asyncio.run(upgrade_database(url))
    path = tmp_path / "anchor.jsonl"
    trail = AuditTrail(url, delivery=FAST, seal=Seal(KEY, anchors=[path], every=0.001))
    trail.event("before")

    def child() -> dict[str, int]:
        for number in range(20):
            trail.event(str(number))
            trail.flush(PATIENCE)
        trail.close(PATIENCE)
        return failures_of(trail)

    failures = [in_child(child) for _ in range(4)]
    trail.event("after")
    trail.close(PATIENCE)
    assert [failures_of(trail), *failures] == [{}] * 5
    assert sealed(url) == 4 * 22 + 4
    log = Log(url, tmp_path, key=KEY)
    log.anchor = path
    report = asyncio.run(log.verify())
    assert (report.verdict, report.unsealed, report.writers) == (Verdict.PASS, 0, 5)


def test_processes_that_run_at_once_seal_one_database(url: str, tmp_path: Path) -> None:
    """None knows of the others; whoever is last has sealed the rest."""
    asyncio.run(upgrade_database(url))
    KEY.save(tmp_path / "audit.key")
    script = f"""
        from asgi_audit import AuditTrail, Delivery
        from asgi_audit.sealing import Seal

        seal = Seal("audit.key", anchors=["anchor.jsonl"], every=0.01)
        with AuditTrail({url!r}, journal=None, delivery=Delivery(linger=0), seal=seal) as trail:
            for number in range(30):
                trail.event(str(number))
                trail.flush(60)
        assert trail.stats().failures == {{}}, trail.stats().failures
    """
    with ThreadPoolExecutor(3) as pool:
        for run in pool.map(lambda _: run_script(script, tmp_path), range(3)):
            assert (run.returncode, run.stderr) == (0, "")
    assert sealed(url) == 3 * 32
    log = Log(url, tmp_path, key=KEY)
    log.anchor = tmp_path / "anchor.jsonl"
    assert asyncio.run(log.verify()).verdict is Verdict.PASS


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The anchor's, without the handlers that a test has added."""
    logger = logging.getLogger("asgi_audit.checkpoints")
    handlers, level = list(logger.handlers), logger.level
    logger.setLevel(logging.INFO)
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_an_anchor_whose_lines_are_audited_makes_no_records(url: str, logger: logging.Logger) -> None:
    """Each checkpoint would make a record, which would make a checkpoint, for ever."""
    asyncio.run(upgrade_database(url))
    told = ToldAnchor()
    trail = AuditTrail(url, delivery=FAST, seal=Seal(KEY, anchors=[LoggerAnchor(), told], every=0.001))
    lines = []

    class Recording(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record)
            trail.event("log.line")

    logger.addHandler(Recording())
    trail.event("one")
    told.wait(lambda: told.size >= 2)
    told.wait_for_passes(3)
    trail.close(PATIENCE)
    assert sealed(url) == 3
    assert len(lines) == len(told.notes)
    assert failures_of(trail) == {"a sink's own work made a record, which was left out": len(lines)}
