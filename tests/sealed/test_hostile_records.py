"""Records of the trail's own against the verifier, by somebody who knows the secret: well made, stored and sealed."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy.rows import build
from asgi_audit.sqlalchemy.schema import COLUMNS
from tests.sealed.apart import MOST_SECONDS, verify_apart
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.original import Original
from tests.sealed.scene import Scene

NOW = datetime.now(UTC)
DIGEST = 64 * "0"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log in a file."""
    home = tmp_path_factory.mktemp("records")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy of it."""
    with original.copied(random.Random(5)) as scene:
        yield scene


def say(scene: Scene, kind: Kind, data: dict[str, Any]) -> Report:
    """Have a record say it, seal that, and hear the verifier."""
    scene.write(Writer(scene.chance).own(kind, NOW, data))
    scene.seal()
    report = scene.verify("anchor", "keys", "mac")
    assert report.unsealed == 0
    return report


PURGES: dict[str, tuple[Any, str]] = {
    "no list": (7, "in its form"),
    "nothing": ([], "in its form"),
    "negative": ([[-5, 3, DIGEST]], "in its form"),
    "backwards": ([[5, 3, DIGEST]], "in its form"),
    "truths": ([[False, True, DIGEST]], "in its form"),
    "no whole numbers": ([[0.0, 3.5, DIGEST]], "in its form"),
    "texts": ([["0", "3", DIGEST]], "in its form"),
    "beyond all numbers": ([[0, 2**63, DIGEST]], "in its form"),
    "of 400 digits": ([[0, 10**400, DIGEST]], "in its form"),
    "without a digest": ([[0, 3]], "in its form"),
    "with another digest": ([[0, 3, DIGEST]], "the ids of the leaves 0 to 3 are not those that were purged"),
    "beyond the end": ([[0, 2**61, DIGEST]], "the purge names leaves that there never were"),
    "far beyond the end": ([[10**9, 10**9, DIGEST]], "the purge names leaves that there never were"),
    "150 times the same": ([[9, 90, DIGEST]] * 150, "more than 100 purges name the leaf 9"),
}


@pytest.mark.parametrize(("ranges", "said"), PURGES.values(), ids=PURGES)
def test_a_purge_of_what_cannot_be(scene: Scene, ranges: Any, said: str) -> None:
    """It covers nothing that is gone, and is found."""
    report = say(scene, Kind.PURGE, {"before": "x", "records": 1, "ranges": ranges, "writers": {}, "more": 10**400})
    assert report.verdict is Verdict.TAMPERED
    assert [each for each in report.findings if each.kind == "purge" and said in each.what]


@pytest.mark.parametrize("runs", [[[0, 2**61]], [[-5, 2**61]], [[9, 3]], [[0.5, 1e9]], [[True, True]], 7, [7], [[7]]])
def test_a_purge_that_tells_of_more_records_than_it_names(scene: Scene, runs: Any) -> None:
    """None of the records that are missing of a writer counts as purged."""
    writer = Writer(scene.chance)
    writer.skip(5)
    scene.write(writer.record(BEGINNING))
    scene.seal()
    age(scene)
    report = say(scene, Kind.PURGE, {"before": "x", "ranges": [[0, 3, DIGEST]], "writers": {writer.id: runs}})
    assert [each for each in report.findings if each.kind == "sequence" and each.writer == writer.id]


@pytest.mark.parametrize(
    "data",
    [
        {"records": 7, "parts": ["actor"]},
        {"records": [7], "parts": ["actor"]},
        {"records": [], "parts": ["actor"]},
        {"records": ["x"], "parts": "actor"},
        {"records": ["x"], "parts": []},
        {"records": ["x"], "parts": [["actor"]]},
        {"records": ["x"], "parts": ["salt"]},
        {},
    ],
)
def test_an_erasure_of_what_cannot_be(scene: Scene, data: dict[str, Any]) -> None:
    """It is found."""
    report = say(scene, Kind.ERASE, data)
    assert report.verdict is Verdict.TAMPERED
    assert [each for each in report.findings if each.kind == "erasure" and "in its form" in each.what]


@pytest.mark.parametrize("records", [10**18, 2**62, 2**63, 10**400])
def test_a_loss_of_more_than_there_ever_was(scene: Scene, records: int) -> None:
    """It was declared, and is reported as a number that a program can read."""
    report = say(scene, Kind.LOSS, {"records": records, "reason": "so be it", "writer": "w"})
    report = say(scene, Kind.LOSS, {"records": records, "reason": "so be it", "writer": "w"})
    assert report.verdict is Verdict.DECLARED_LOSS
    assert 10**18 <= report.lost <= 2**62


@pytest.mark.parametrize("records", [-1, -(10**18), 0, True, 3.5, 1e300, "3", None, [3], {"3": 3}])
def test_a_loss_of_no_number(scene: Scene, records: Any) -> None:
    """It declares nothing: what is missing is missing without a word."""
    writer = Writer(scene.chance)
    writer.skip(3)
    scene.write(writer.record(BEGINNING))
    scene.seal()
    age(scene)
    report = say(scene, Kind.LOSS, {"records": records, "writer": writer.id})
    assert [each for each in report.findings if each.kind == "sequence" and each.writer == writer.id]


@pytest.mark.parametrize("records", [2**62, 2**63, 10**400])
def test_an_end_of_more_than_there_is(scene: Scene, records: int) -> None:
    """All that it counts is missing."""
    writer = Writer(scene.chance)
    scene.write(writer.record(BEGINNING))
    report = say(scene, Kind.CLOSE, {"records": records, "writer": writer.id})
    assert report.verdict is Verdict.TAMPERED
    (found,) = (each for each in report.writer_reports if each.writer == writer.id)
    assert found.missing == 2**62 - 1


@pytest.mark.parametrize(
    "restart",
    [
        7,
        {"size": 3, "from": 7, "to": "x"},
        {"size": 3, "from": [7, None], "to": 7},
        {"size": 2**64 - 1, "from": ["audit.example/test"], "to": "audit.example/test"},
        {"size": -1, "from": ["audit.example/test"], "to": "audit.example/test"},
        {"size": True, "from": ["audit.example/test"], "to": "audit.example/test"},
        {"size": 3, "from": 1000 * ["audit.example/test"], "to": "audit.example/test"},
    ],
)
def test_a_restart_of_nothing(scene: Scene, restart: Any) -> None:
    """It excuses nothing."""
    scene.hand.run("UPDATE audit_leaves SET hash = zeroblob(32) WHERE idx = 70")
    report = say_unsealed(scene, {"records": 0, "restart": restart})
    assert {"anchor", "checkpoint", "core"} <= set(report.finding_counts)


def say_unsealed(scene: Scene, data: dict[str, Any]) -> Report:
    """The same where no sealer would go on."""
    scene.write(Writer(scene.chance).own(Kind.LOSS, NOW, data))
    return scene.verify("anchor", "keys", "mac")


def age(scene: Scene) -> None:
    """Let all that was sealed have been sealed long ago."""
    scene.hand.run("UPDATE audit_checkpoints SET time = '2020-01-01T00:00:00.000000Z'")
    scene.leave()


#: Made when they are needed, so that they do not stay in the tests' memory.
MASSES: dict[str, tuple[Kind, Callable[[], dict[str, Any]], set[str]]] = {
    "an erasure of 10^6 records": (
        Kind.ERASE,
        lambda: {"records": [f"{number:036}" for number in range(10**6)], "parts": ["actor"]},
        {"malformed", "removed"},
    ),
    "an erasure of 20,000 records": (
        Kind.ERASE,
        lambda: {"records": [f"{number:036}" for number in range(20_000)], "parts": 10_000 * ["actor", "detail"]},
        {"removed"},
    ),
    "a purge of 10^6 stretches": (Kind.PURGE, lambda: {"ranges": 10**6 * [[0, 2**61, ""]]}, {"malformed", "removed"}),
    "a purge of 30,000 stretches": (Kind.PURGE, lambda: {"ranges": 30_000 * [[0, 2**61, ""]]}, {"purge"}),
    "a purge of the records of 15,000 writers": (
        Kind.PURGE,
        lambda: {"ranges": [[0, 9, ""]], "writers": {f"{number:032}": [[0, 2**61]] for number in range(15_000)}},
        {"purge", "removed"},
    ),
    "a restart of 100,000 logs": (
        Kind.LOSS,
        lambda: {"records": 0, "restart": {"size": 0, "to": "x", "from": [f"{number}" for number in range(100_000)]}},
        {"removed"},
    ),
}


@pytest.mark.parametrize(("kind", "data", "found"), MASSES.values(), ids=MASSES)
def test_masses_in_a_record(
    scene: Scene,
    kind: Kind,
    data: Callable[[], dict[str, Any]],
    found: set[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is far larger than any of ours is no record; the rest takes neither time nor memory."""
    monkeypatch.setattr("asgi_audit.sqlalchemy.rows._LARGEST_RECORD", 2**40)  # an attacker's sink has no limit
    scene.write(Writer(scene.chance).own(kind, NOW, data()))
    scene.hand.run("DELETE FROM audit_records WHERE seq = 3")
    scene.leave()
    expect(scene.log, *found)


def test_masses_of_writers(scene: Scene, full: bool) -> None:
    """More than are kept in memory, each of which has lost something, and says so, or not."""
    columns = ", ".join("?" * len(COLUMNS))
    for number in range(50_000 if full else 8000):
        writer = Writer(scene.chance)
        writer.skip(5)
        records = [writer.record(NOW)]
        if number % 2:
            records.append(Writer(scene.chance).own(Kind.LOSS, NOW, {"records": 5, "writer": writer.id}))
        for record in records:
            row = dict(zip(COLUMNS, build(record, scene.log.mac), strict=True)) | {"time": scene.hand.time(NOW)}
            scene.hand.run(f"INSERT INTO audit_records VALUES ({columns})", *row.values())
    scene.hand.run("DELETE FROM audit_records WHERE seq = 3")
    scene.leave()
    expect(scene.log, "removed")


def test_masses_of_checkpoints(scene: Scene, full: bool) -> None:
    """Each of another origin, and nobody has signed them; beside restarts from all of them to all of them."""
    names = [f"{number}/{1000 * 'x'}" for number in range(100_000 if full else 20_000)]
    for number, name in enumerate(names):
        note = f"{Checkpoint(name, number % 500, bytes(32)).text}\n"
        row = number % 500, f"{number}", note, b"", f"{NOW}"
        scene.hand.run("INSERT INTO audit_checkpoints (size, signers, note, peaks, time) VALUES (?, ?, ?, ?, ?)", *row)
    for name in names[:20]:
        restart = {"size": 0, "to": name, "from": names[:500]}
        scene.write(Writer(scene.chance).own(Kind.LOSS, NOW, {"records": 0, "restart": restart}))
    expect(scene.log, "checkpoint")


def expect(log: Log, *kinds: str) -> None:
    """There is a report with such findings, within the limits."""
    assert log.mac is not None
    answer = verify_apart(log)
    assert answer.report is not None
    assert answer.seconds < MOST_SECONDS
    assert answer.report.verdict is Verdict.TAMPERED
    assert set(kinds) <= set(answer.report.finding_counts)
