"""The anchor's file is damaged, or not the one of this log: what it then says never makes a log pass."""

import random
from collections.abc import Iterator

import pytest

from asgi_audit.anchors.base import checkpoint_in, line_of
from asgi_audit.integrity.note import Note
from asgi_audit.integrity.report import Verdict
from tests.sealed.named import Named, missed
from tests.sealed.original import Original
from tests.sealed.scene import Scene

_BAD = {Verdict.TAMPERED, Verdict.UNANCHORED}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log with a little of everything; the verdict is a declared loss."""
    home = tmp_path_factory.mktemp("anchors")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy of it, with an anchor's file of its own."""
    with original.copied(random.Random(7)) as scene:
        yield scene


def lines(scene: Scene) -> list[bytes]:
    """Those of the anchor's file, with their ends."""
    return scene.log.anchor.read_bytes().splitlines(keepends=True)


def test_a_copy_is_not_accused(scene: Scene) -> None:
    """Whatever one knows; nor is one whose tables have lost their keys, for the rows are the same."""
    for _ in range(2):
        for known in ([], ["anchor"], ["keys"], ["mac"], ["anchor", "keys", "mac"]):
            report = scene.verify(*known)
            assert report.finding_counts == {}
            assert report.verdict is (Verdict.DECLARED_LOSS if "anchor" in known else Verdict.UNANCHORED)
        scene.relax()


@pytest.mark.timeout(600)
def test_a_flipped_bit_is_never_believed(scene: Scene, full: bool) -> None:
    """In the newest line: either the checkpoint is the same all the same, or the log does not pass.

    Without a key a signature is not looked at; then the checkpoint itself must be the same.
    """
    *before, newest = lines(scene)
    note = checkpoint_in(newest.decode())
    bits = 8 * len(newest)
    for bit in range(bits) if full else scene.chance.sample(range(bits), 60):
        flipped = bytearray(newest)
        flipped[bit // 8] ^= 1 << bit % 8
        scene.log.anchor.write_bytes(b"".join([*before, flipped]))
        said = checkpoint_in(flipped.decode(errors="replace"))
        assert said == note or scene.verify("anchor", "keys").verdict in _BAD, bit
        same = said is not None and note is not None and said.startswith(Note.parse(note).text)
        assert same or scene.verify("anchor").verdict in _BAD, bit


def test_a_forged_signature_in_the_anchor_is_found(scene: Scene) -> None:
    """A checkpoint that says to be signed by our key, and is not, was made by somebody."""
    *before, newest = lines(scene)
    note = checkpoint_in(newest.decode()) or ""
    forged = line_of(note.replace(f"\n{scene.size}\n", f"\n{scene.size + 1}\n", 1))
    scene.log.anchor.write_bytes(b"".join([*before, forged.encode()]))
    assert missed(scene.verify("anchor", "keys"), Named("signature")) == []
    assert missed(scene.verify("anchor"), Named("anchor", index=scene.size + 1)) == []


def test_a_lost_line_is_unanchored(scene: Scene) -> None:
    """The newest one, or all: nothing contradicts the log, and nothing vouches for all of it."""
    for left in (lines(scene)[:-1], []):
        scene.log.anchor.write_bytes(b"".join(left))
        report = scene.verify("anchor", "keys", "mac")
        assert (report.verdict, report.finding_counts) == (Verdict.UNANCHORED, {})


def test_an_anchor_of_another_log_is_found(scene: Scene) -> None:
    """It knows nothing of this one."""
    content = scene.log.anchor.read_bytes()
    scene.log.anchor.write_bytes(content.replace(b"audit.example/test", b"audit.example/other"))
    assert missed(scene.verify("anchor"), Named("anchor")) == []


def test_an_anchor_of_another_log_of_the_name_is_found(scene: Scene, original: Original) -> None:
    """It contradicts this one, from its first checkpoint on."""
    with original.copied(scene.chance) as other:
        other.cut(0, 0)
        other.rebuild("own")
        first = other.hand.ask("SELECT size, note FROM audit_checkpoints ORDER BY size")[0]
    scene.log.anchor.write_text(line_of(first["note"]))
    assert missed(scene.verify("anchor"), Named("anchor", index=first["size"])) == []


def test_checkpoints_that_no_key_signed_are_ignored_in_an_anchor(scene: Scene) -> None:
    """With a key an anchor's word counts only if that has signed it: whoever can add lines can't accuse the log."""
    scene.log.anchor.write_bytes(scene.log.anchor.read_bytes() + lines(scene)[-1].replace(b"\\u2014 ", b"\\u2014 no"))
    report = scene.verify("anchor", "keys")
    assert (report.verdict, report.finding_counts) == (Verdict.DECLARED_LOSS, {})
    assert any("are no checkpoints by a given key" in note for note in report.notes)
