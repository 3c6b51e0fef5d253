"""An anchor's file against the verifier: whoever has written it may have written anything, and much of it."""

import random
from collections.abc import Callable, Iterator

import pytest

from asgi_audit.anchors.base import line_of
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note, sign
from asgi_audit.integrity.report import Report, Verdict
from tests.sealed.apart import MOST_SECONDS, verify_apart
from tests.sealed.original import Original
from tests.sealed.scene import ORIGIN, Scene

MIB = 2**20


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log in a file."""
    home = tmp_path_factory.mktemp("anchors")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy of it."""
    with original.copied(random.Random(5)) as scene:
        yield scene


def unsigned(number: int, origin: str = ORIGIN) -> str:
    """A line with a checkpoint that nobody has signed."""
    return line_of(f"{Checkpoint(origin, number, bytes(32)).text}\n")


NONSENSE: dict[str, bytes] = {
    "nothing": b"",
    "lists in each other": b'{"checkpoint":' + b"[" * 10**5 + b"\n",
    "many beginnings": b'{"checkpoint":' * 70_000 + b"\n",
    "numbers": b'{"checkpoint":7}\n{"checkpoint":' + b"9" * 5000 + b'}\n{"checkpoint":NaN}\n',
    "half of a surrogate pair": b'{"checkpoint":"\\ud800"}\n',
    "no UTF-8": b'{"checkpoint":"\xff\n1\n"}\n',
    "keys twice": b'{"checkpoint":1,"checkpoint":"x"}\n' * 1000,
    "empty lines": b"\n" * 3 * MIB,
    "sizes": "".join(
        f"{line_of(f'{ORIGIN}{chr(10)}{size}{chr(10)}AAAA')}\n" for size in ["-1", "1e9", 10**400]
    ).encode(),
}
#: Made when they are needed, so that they do not stay in the tests' memory.
LARGE: dict[str, Callable[[], bytes]] = {
    "bytes": lambda: random.Random(1).randbytes(30 * MIB),
    "a line that does not end": lambda: b'{"checkpoint":"' + bytes(30 * MIB),
    "a line of one text": lambda: b'{"checkpoint":"' + b"x" * 30 * MIB + b'"}',
    "many lists": lambda: (b'{"checkpoint":[' + b"[]," * 300_000 + b"[]]}\n") * 3,
    "many braces": lambda: b"{" * 900_000 + b'{"checkpoint":\n',
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_no_anchor(scene: Scene, content: bytes) -> None:
    """There is no verdict without a checkpoint; those before the nonsense and behind it count."""
    honest = scene.log.anchor.read_bytes()
    scene.log.anchor.write_bytes(content)
    assert scene.verify("anchor", "keys").verdict is Verdict.UNANCHORED
    scene.log.anchor.write_bytes(honest + content + b"\n" + honest)
    assert scene.verify("anchor", "keys").anchored == scene.size


@pytest.mark.parametrize("content", LARGE.values(), ids=LARGE)
def test_much_nonsense_hides_nothing(scene: Scene, content: Callable[[], bytes]) -> None:
    """Nor does it if it is large."""
    honest = scene.log.anchor.read_bytes()
    scene.log.anchor.write_bytes(honest + content() + b"\n" + honest)
    scene.hand.run("UPDATE audit_leaves SET hash = zeroblob(32) WHERE idx = 70")
    scene.leave()
    assert {"anchor", "core"} <= set(hear(scene).finding_counts)


def test_a_forged_checkpoint_is_a_finding(scene: Scene) -> None:
    """It has a known key's name and id, and a signature that is none."""
    key = scene.log.keys[0]
    note = Note.parse(sign(Checkpoint(ORIGIN, 3, bytes(32)).text, [key]))
    forged = str(note._replace(text=Checkpoint(ORIGIN, 4, bytes(32)).text))
    scene.log.anchor.write_text("".join(f"{line_of(each)}\n" for each in [forged]))
    report = scene.verify("anchor", "keys")
    assert report.verdict is Verdict.TAMPERED
    assert report.finding_counts["signature"] == 1


MASSES: dict[str, Callable[[int], str]] = {
    "of every size": unsigned,
    "of one size, and every origin": lambda number: unsigned(50, f"{ORIGIN}/{number}"),
    "of every size, and every origin": lambda number: unsigned(number, f"{number}/{ORIGIN}"),
    "of the largest sizes": lambda number: unsigned(2**63 - 1 - number, f"{ORIGIN}/{number % 3}"),
    "of long origins": lambda number: unsigned(number, f"{ORIGIN}/{number}{'x' * 2000}"),
}


@pytest.mark.parametrize("keyed", [True, False], ids=["keys", "no keys"])
@pytest.mark.parametrize("line", MASSES.values(), ids=MASSES)
def test_masses_of_checkpoints(scene: Scene, line: Callable[[int], str], keyed: bool, full: bool) -> None:
    """To whoever has no key each is as good as any other; whoever has one knows better."""
    with scene.log.anchor.open("a") as file:
        file.writelines(f"{line(number)}\n" for number in range(100_000 if full else 20_000))
    scene.log.pinned = scene.log.pinned if keyed else []
    report = hear(scene)
    if keyed:
        assert report.verdict is Verdict.DECLARED_LOSS
        assert "are no checkpoints by a given key" in report.notes[0]
    else:
        assert report.verdict in {Verdict.TAMPERED, Verdict.DECLARED_LOSS}


def hear(scene: Scene) -> Report:
    """The verdict, within the limits."""
    answer = verify_apart(scene.log)
    assert answer.report is not None
    assert answer.seconds < MOST_SECONDS
    return answer.report
