"""What is found only by an anchor, only by a public key, only by the MAC; and what by nobody.

Each is tested both ways: found by whoever has what it takes, and not found by whoever has all the rest.
"""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.merkle import leaf_hash
from asgi_audit.integrity.report import Verdict
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy.evidence import DatabaseEvidence
from asgi_audit.verification import Verifier
from tests.sealed.attacks.scratch import cut_off, go_on
from tests.sealed.forging import like, of_application, whole
from tests.sealed.hand import Stored
from tests.sealed.log import Log, Writer
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


def change(scene: Scene) -> Stored:
    """A sealed record says something else, and all that needs no key agrees with it."""
    row = scene.take(lambda row: whole(row) and of_application(row))
    changed = like(scene, row, action="GET /nothing")
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    return row


def test_a_rebuild_that_nobody_signed_is_found_by_an_anchor_or_by_a_key(scene: Scene) -> None:
    """Without both the database agrees with itself: the verdict is UNANCHORED, never PASS."""
    row = change(scene)
    scene.rebuild("unsigned")
    assert missed(scene.verify("anchor"), *scene.contradiction(row["idx"])) == []
    assert missed(scene.verify("keys"), Named("signature")) == []
    report = scene.verify()
    assert (report.verdict, report.finding_counts) == (Verdict.UNANCHORED, {})


def test_a_rebuild_by_another_key_is_one_that_nobody_signed(scene: Scene) -> None:
    """What counts is the key, not the name that it gives itself."""
    row = change(scene)
    scene.rebuild("own")
    assert missed(scene.verify("anchor"), *scene.contradiction(row["idx"])) == []
    assert missed(scene.verify("keys"), Named("signature")) == []
    assert scene.verify().finding_counts == {}


def test_a_rebuild_by_a_stolen_key_is_found_by_an_anchor(scene: Scene) -> None:
    """The key can sign other trees, but can't make anchors forget."""
    row = change(scene)
    scene.rebuild("stolen")
    assert missed(scene.verify("anchor"), *scene.contradiction(row["idx"])) == []
    report = scene.verify("keys")
    assert (report.verdict, report.finding_counts) == (Verdict.UNANCHORED, {})


def test_a_changed_record_is_also_found_by_the_mac(scene: Scene) -> None:
    """Whoever changes it does not know the secret; also where the key was stolen, and no anchor is at hand."""
    row = change(scene)
    scene.rebuild("stolen")
    assert missed(scene.verify("mac"), Named("mac", index=row["idx"], record=row["id"])) == []


def test_a_tail_that_is_cut_off_is_found_by_an_anchor(scene: Scene) -> None:
    """With its leaves and its checkpoints: what is left is signed, has its MACs, and was true once."""
    cut = cut_off(scene)
    assert missed(scene.verify("anchor"), *scene.contradiction(cut)) == []
    report = scene.verify("keys", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.UNANCHORED, {})


def test_a_tail_that_is_cut_off_the_anchor_too_is_found_by_another_anchor(scene: Scene) -> None:
    """Whoever can write to the one should not be able to write to the other."""
    lines = scene.log.anchor.read_bytes().splitlines(keepends=True)
    cut = cut_off(scene)
    kept = scene.log.anchor.with_suffix(".kept")
    scene.log.anchor.rename(kept)
    scene.log.anchor.write_bytes(b"".join([*lines, kept.read_bytes().splitlines(keepends=True)[-2]]))
    report = scene.verify("anchor", "keys", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})
    both = Verifier(anchors=[FileAnchor(scene.log.anchor), FileAnchor(kept)])
    assert missed(asyncio.run(both.verify(DatabaseEvidence(scene.log.url))), *scene.contradiction(cut)) == []


def test_what_is_sealed_and_not_anchored_yet_is_found_by_a_key(scene: Scene) -> None:
    """The anchor says nothing about it, and the verdict says so: it is not all anchored."""
    anchored = scene.log.anchor.read_bytes()
    go_on(scene, 5)
    scene.seal()
    scene.log.anchor.write_bytes(anchored)
    row = scene.hand.ask(
        "SELECT l.idx, r.* FROM audit_leaves l JOIN audit_records r ON r.id = l.record_id ORDER BY l.idx DESC LIMIT 1"
    )[0]
    changed = like(scene, row, action="GET /nothing")
    scene.set(row["id"], **changed)
    scene.set_leaf(row["idx"], hash=leaf_hash(changed["core"].encode()))
    scene.rebuild("unsigned")
    assert missed(scene.verify("keys"), Named("signature")) == []
    report = scene.verify("anchor")
    assert (report.verdict, report.finding_counts) == (Verdict.UNANCHORED, {})
    assert "the newest 5 sealed records are not anchored yet" in report.notes


def test_a_signature_is_found_to_be_forged_by_the_key_alone(scene: Scene) -> None:
    """Who gives no key has none checked, and is told so."""
    row = scene.checkpoint()
    at = len(row["note"]) - 20
    forged = row["note"][:at] + ("A" if row["note"][at] != "A" else "B") + row["note"][at + 1 :]
    scene.hand.run("UPDATE audit_checkpoints SET note = ? WHERE size = ?", forged, row["size"])
    assert missed(scene.verify("keys"), Named("signature", index=row["size"])) == []
    report = scene.verify("anchor", "mac")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})
    assert any("signatures were not checked" in note for note in report.notes)


def test_another_log_in_the_place_of_this_one_is_found_by_the_key_or_the_name(scene: Scene) -> None:
    """An anchor may keep several logs, and vouches for each; the report says of which it speaks."""
    home = scene.log.anchor.parent
    other = Log(f"sqlite:///{home}/other.db", home, key=SigningKey.generate("audit.example/other"))
    other.anchor = scene.log.anchor
    writer = Writer(scene.chance)
    asyncio.run(other.write([writer.record(datetime.now(UTC)) for _ in range(5)]))
    asyncio.run(other.seal())
    scene.log.url = other.url
    report = scene.verify("anchor")
    assert (report.verdict, report.log) == (Verdict.PASS, "audit.example/other")
    assert missed(scene.verify("anchor", "keys"), Named("signature")) == []
    named = Verifier(anchors=[FileAnchor(scene.log.anchor)], log="audit.example/test")
    assert asyncio.run(named.verify(DatabaseEvidence(other.url))).verdict is Verdict.TAMPERED
