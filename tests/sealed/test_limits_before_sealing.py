"""What is done to records before they are sealed: what the MAC finds, what the numbers find, and what nobody finds.

Each is tested both ways: found by whoever has what it takes, and not found by whoever has all the rest.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from asgi_audit.integrity.report import Verdict
from asgi_audit.record import Kind, Record
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS
from asgi_audit.sqlalchemy.warrant import ERASABLE
from tests.sealed.attacks.scratch import go_on
from tests.sealed.forging import invented, like, of_application, whole
from tests.sealed.log import Writer
from tests.sealed.named import Named, missed
from tests.sealed.original import Original
from tests.sealed.scene import Scene


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log with a little of everything; the verdict is a declared loss."""
    home = tmp_path_factory.mktemp("limits")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy to be spoilt."""
    with original.copied(random.Random(7)) as scene:
        yield scene


def test_a_record_that_was_forged_before_it_was_sealed_is_found_by_the_mac(scene: Scene) -> None:
    """Whoever may insert can add to the trail; the sealer seals what is stored."""
    forged = invented(scene)
    scene.insert(forged)
    scene.seal()
    assert missed(scene.verify("mac"), Named("mac", index=scene.size, record=forged["id"])) == []
    report = scene.verify("anchor", "keys")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def test_a_record_that_was_changed_before_it_was_sealed_is_found_by_the_mac(scene: Scene) -> None:
    """With its commitments and its core, for nothing else vouches for it yet."""
    go_on(scene, 3)
    row = scene.hand.ask("SELECT * FROM audit_records ORDER BY id DESC LIMIT 1")[0]
    scene.set(row["id"], **like(scene, row, action="GET /nothing"))
    scene.seal()
    assert missed(scene.verify("mac"), Named("mac", record=row["id"])) == []
    report = scene.verify("anchor", "keys")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def test_an_erase_record_that_was_forged_before_it_was_sealed_is_found_by_the_mac(scene: Scene) -> None:
    """Else it is an erasure like any other, and counted as one."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    entry = invented(scene, Kind.ERASE, {"records": [row["id"]], "parts": ["actor"]})
    scene.insert(entry)
    scene.set(row["id"], **dict.fromkeys(ERASABLE["actor"]))
    scene.seal()
    assert missed(scene.verify("mac"), Named("mac", record=entry["id"]), Named("erasure", record=row["id"])) == []
    report = scene.verify("anchor", "keys")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def test_a_purge_record_that_was_forged_before_it_was_sealed_is_found_by_the_mac(scene: Scene) -> None:
    """Else it is a purge like any other, and counted as one."""
    row = scene.take(of_application)
    digest = sha256(f"{row['id']}\n".encode()).hexdigest()
    runs = {row["writer"]: [[row["seq"], row["seq"]]]}
    said = {"before": "2026-01-01", "records": 1, "ranges": [[row["idx"], row["idx"], digest]], "writers": runs}
    entry = invented(scene, Kind.PURGE, said)
    scene.insert(entry)
    scene.delete(row["idx"])
    scene.seal()
    assert missed(scene.verify("mac"), Named("mac", record=entry["id"]), Named("removed", index=row["idx"])) == []
    report = scene.verify("anchor", "keys")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def test_whoever_has_the_secret_can_forge_what_is_not_sealed_yet(scene: Scene) -> None:
    """The MAC tells the application from others; it does not tell the application's records from what it would say."""
    record = Writer(scene.chance).record(datetime.now(UTC))
    row = dict(zip(COLUMNS, build(record, scene.log.mac), strict=True))
    scene.insert(row | {"time": scene.hand.time(record.time)})
    scene.seal()
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def ten(scene: Scene) -> tuple[Writer, Sequence[Record]]:
    """A writer's first ten records."""
    writer = Writer(scene.chance)
    return writer, [writer.record(datetime.now(UTC)) for _ in range(10)]


def drop(scene: Scene, *records: Record) -> None:
    """Delete what is not sealed yet, and then let it be sealed."""
    for record in records:
        scene.hand.run("DELETE FROM audit_records WHERE id = ?", record.id)
    scene.seal()


def pass_time(scene: Scene, hours: int) -> None:
    """Let all checkpoints be so much older."""
    for row in scene.hand.ask("SELECT size, time FROM audit_checkpoints"):
        time = datetime.fromisoformat(row["time"]) - timedelta(hours=hours)
        scene.hand.run("UPDATE audit_checkpoints SET time = ? WHERE size = ?", scene.hand.time(time), row["size"])


def test_a_record_that_was_deleted_before_it_was_sealed_is_a_gap(scene: Scene) -> None:
    """Its writer's numbers tell, without anchor, key or MAC, once it can't be on its way any more: after an hour."""
    writer, written = ten(scene)
    scene.write(*written)
    drop(scene, written[4])
    report = scene.verify()
    assert (report.finding_counts, report.pending) == ({}, 1)
    pass_time(scene, 2)
    report = scene.verify()
    assert missed(report, Named("sequence", writer=writer.id)) == []
    assert (report.verdict, report.pending) == (Verdict.TAMPERED, 0)


def test_a_gap_counts_at_once_when_its_writer_has_ended(scene: Scene) -> None:
    """Nothing of it can be on its way."""
    writer, written = ten(scene)
    scene.write(*written, writer.own(Kind.CLOSE, datetime.now(UTC), {"records": writer.seq}))
    drop(scene, written[4])
    assert missed(scene.verify(), Named("sequence", writer=writer.id)) == []


def test_a_loss_that_was_forged_for_a_gap_is_found_by_the_mac(scene: Scene) -> None:
    """Else the record counts as lost, and the verdict says that records were lost."""
    writer, written = ten(scene)
    scene.write(*written)
    loss = invented(scene, Kind.LOSS, {"records": 1, "reason": "damaged in the journal", "writer": writer.id})
    scene.insert(loss)
    drop(scene, written[4])
    pass_time(scene, 2)
    assert missed(scene.verify("mac"), Named("mac", record=loss["id"]), Named("sequence", writer=writer.id)) == []
    lost = scene.verify("anchor", "keys")
    assert (lost.verdict, lost.finding_counts) == (Verdict.DECLARED_LOSS, {})
    assert [each.lost for each in lost.writer_reports if each.writer == writer.id] == [1]


def test_a_tail_that_was_deleted_before_it_was_sealed_is_found_by_the_close_record(scene: Scene) -> None:
    """That says how many there were. Without one nobody has seen them, whatever he has."""
    writer, written = ten(scene)
    scene.write(*written)
    drop(scene, *written[6:])
    pass_time(scene, 2)
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts, report.pending) == (Verdict.DECLARED_LOSS, {}, 0)
    scene.write(writer.own(Kind.CLOSE, datetime.now(UTC), {"records": writer.seq}))
    assert missed(scene.verify(), Named("sequence", writer=writer.id)) == []


def test_a_writer_that_was_deleted_before_it_was_sealed_is_found_by_nobody(scene: Scene) -> None:
    """It has never been. Its heir's close record tells of it, but does so as well where it has never written to."""
    writer, written = ten(scene)
    scene.write(*written)
    ended = {"records": writer.seq, "interrupted": 0, "torn": 0, "found": "recovery", "writer": writer.id}
    scene.write(Writer(scene.chance).own(Kind.CLOSE, datetime.now(UTC), ended))
    drop(scene, *written)
    pass_time(scene, 2)
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})


def test_the_time_of_a_checkpoint_is_nobodys_word(scene: Scene) -> None:
    """Whoever moves it can have a gap wait for its hour again; it is counted as pending, but no finding."""
    _, written = ten(scene)
    scene.write(*written)
    drop(scene, written[4])
    pass_time(scene, 2)
    assert scene.verify().verdict is Verdict.TAMPERED
    pass_time(scene, -2)
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts, report.pending) == (Verdict.DECLARED_LOSS, {}, 1)
