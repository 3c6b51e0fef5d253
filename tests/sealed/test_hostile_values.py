"""Values against the verifier's memory and time: each in a process of its own, within 200 MiB and a minute."""

import random
from collections.abc import Iterator

import pytest

from asgi_audit.integrity.report import Report, Verdict
from tests.sealed.apart import MOST_SECONDS, verify_apart
from tests.sealed.original import Original
from tests.sealed.scene import Scene

MIB = 2**20
ROW = "(SELECT record_id FROM audit_leaves WHERE idx = 70)"
NEWEST = "(SELECT max(size) FROM audit_checkpoints)"


def repeated(text: str, size: int, before: str = "", after: str = "") -> str:
    """SQL for a text of about so many bytes: one that is repeated, between two others."""
    return f"'{before}' || replace(hex(zeroblob({size // len(text.encode())})), '00', '{text}') || '{after}'"


def before(name: str, more: str) -> str:
    """SQL for the core, with something more in front of one of its members."""
    return f"""replace(core, '"{name}":', '{more}"{name}":')"""


def instead(name: str, more: str) -> str:
    """SQL for the core, with something in front of the value of one of its members."""
    return f"""replace(core, '"{name}":', '"{name}":{more}')"""


_SMILE = "\N{GRINNING FACE}"
_MOST = 8 * MIB - 9000  # bytes, so that the row is looked at

#: Values of a record, and the kind of the finding. What is larger than 8 MiB together is not even looked at.
RECORD = {
    "core: a text of 40 MiB": ("core", repeated("x", 40 * MIB), "malformed"),
    "detail: a text of 40 MiB": ("detail", repeated("x", 40 * MIB), "malformed"),
    "ip: a text of 40 MiB": ("ip", repeated("x", 40 * MIB), "malformed"),
    "core: 400 MB of bytes": ("core", "zeroblob(400000000)", "malformed"),
    "actor: 40 MiB of bytes": ("actor", f"zeroblob({40 * MIB})", "malformed"),
    "status: 40 MiB of bytes": ("status", f"zeroblob({40 * MIB})", "malformed"),
    "core: characters of four bytes": ("core", repeated(_SMILE, _MOST), "core"),
    "core: many members": ("core", repeated('"a":"",', _MOST, "{", '"a":""}'), "core"),
    "core: a writer of 6 MiB": (
        "core",
        f"""replace(core, '"writer":"', {repeated("w", 6 * MIB, '"writer":"')})""",
        "core",
    ),
    "core: an id of 6 MiB": ("core", f"""replace(core, '"id":"', {repeated("w", 6 * MIB, '"id":"')})""", "core"),
    "detail: characters of four bytes": ("detail", repeated(_SMILE, _MOST, '{"reason":"', '"}'), "part"),
    "detail: lists": ("detail", repeated("[],", _MOST, '{"data":{"a":[', "0]}}"), "part"),
    "detail: objects": ("detail", repeated("{},", _MOST, '{"data":{"a":[', "0]}}"), "part"),
    "detail: texts": ("detail", repeated('"ab",', _MOST, '{"data":{"a":[', "0]}}"), "part"),
    "detail: numbers": ("detail", repeated("1.5,", _MOST, '{"data":{"a":[', "0]}}"), "part"),
    "detail: changes": ("detail", repeated('{"operation":"","type":""},', _MOST, '{"changes":[', "{}]}"), "part"),
    "detail: half as many lists": ("detail", repeated("[],", MIB - 9000, '{"data":{"a":[', "0]}}"), "part"),
    "target: targets": ("target", repeated('{"id":""},', _MOST, '{"targets":[', '{"id":""}]}'), "part"),
}
#: Those that take no memory.
STRANGE = {
    "core: lists in each other": ("core", repeated("[", 10**5), "malformed"),
    "core: objects in each other": ("core", repeated('{"a":', 5 * 10**5), "malformed"),
    "core: a key twice": ("core", before("action", '"action":"another",'), "core"),
    "core: its own parent": ("core", """replace(core, '"seq":', '"parent":"' || id || '","seq":')""", "core"),
    "core: a number of 400 digits": ("core", instead("seq", "1" + 400 * "0"), "core"),
    "core: not a number": ("core", instead("seq", "NaN"), "malformed"),
    "core: a negative number": ("core", instead("seq", "-1"), "core"),
    "core: half of a surrogate pair": ("core", before("seq", r'"service":"\ud800",'), "malformed"),
    "core: a time before all others": ("core", before("v", '"time":"0001-01-01T00:00:00+23:59",'), "core"),
    "core: a time in the year 300000": ("core", before("v", '"time":"300000-01-01T00:00:00Z",'), "malformed"),
    "detail: lists in each other": ("detail", repeated("[", 10**5, '{"data":{"a":'), "malformed"),
    "detail: a key twice": ("detail", """'{"reason":"another",' || substr(detail, 2)""", "part"),
    "actor: on behalf of others": ("actor", repeated('{"id":"","on_behalf_of":', 24 * 10**5, '{"actor":'), "malformed"),
    "time: in the year 300000": ("time", "'300000-01-01T00:00:00.000000Z'", "column"),
    "seq: of 400 digits": ("seq", f"'1{400 * '0'}'", "column"),
    "seq: beyond all numbers": ("seq", "9e999", "column"),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log in a file."""
    home = tmp_path_factory.mktemp("values")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy of it."""
    with original.copied(random.Random(5)) as scene:
        yield scene


@pytest.mark.parametrize(("column", "value", "kind"), RECORD.values(), ids=RECORD)
def test_a_record(scene: Scene, column: str, value: str, kind: str) -> None:
    """It is named by what is left of it, and everything else is verified all the same."""
    scene.hand.run(f"UPDATE audit_records SET {column} = {value} WHERE id = {ROW}")
    expect(scene, kind, index=70)


@pytest.mark.parametrize(("column", "value", "kind"), STRANGE.values(), ids=STRANGE)
def test_a_strange_record(scene: Scene, column: str, value: str, kind: str) -> None:
    """The same of what is no larger than it should be."""
    scene.hand.run(f"UPDATE audit_records SET {column} = {value} WHERE id = {ROW}")
    judge(scene, scene.verify("anchor", "keys", "mac"), kind, index=70)


CHECKPOINT = {
    "note: a text of 40 MiB": (f"note = {repeated('x', 40 * MIB)}", "table"),
    "note: 6 MiB of bytes": (f"note = zeroblob({6 * MIB})", "checkpoint"),
    "note: a text of 6 MiB": (f"note = {repeated('x', 6 * MIB)}", "checkpoint"),
    "peaks: 100 MB of bytes": ("peaks = zeroblob(100000000)", "table"),
    "peaks: 6 MiB of bytes": (f"peaks = zeroblob({6 * MIB})", "checkpoint"),
    "signers: a text of 6 MiB": (f"signers = {repeated('x', 6 * MIB)}", "checkpoint"),
    "time: a text of 6 MiB": (f"time = {repeated('x', 6 * MIB)}, signers = 7", "checkpoint"),
}


@pytest.mark.parametrize(("change", "kind"), CHECKPOINT.values(), ids=CHECKPOINT)
def test_a_checkpoint(scene: Scene, change: str, kind: str) -> None:
    """No more of it is read than the largest could have."""
    scene.hand.run(f"UPDATE audit_checkpoints SET {change} WHERE size = {NEWEST}")
    expect(scene, kind)


LEAF = {
    "hash: 6 MiB of bytes": (f"hash = zeroblob({6 * MIB})", "index"),
    "hash: a text of 40 MiB": (f"hash = {repeated('x', 40 * MIB)}", "table"),
    "record_id: 6 MiB of bytes": (f"record_id = zeroblob({6 * MIB})", "removed"),
    "record_id: a text of 6 MiB": (f"record_id = {repeated('x', 6 * MIB)}", "removed"),
    "record_id: a text of 40 MiB": (f"record_id = {repeated('x', 40 * MIB)}", "table"),
}


@pytest.mark.parametrize(("change", "kind"), LEAF.values(), ids=LEAF)
def test_a_leaf(scene: Scene, change: str, kind: str) -> None:
    """A hash is as long as a hash, and an id as an id."""
    scene.hand.run(f"UPDATE audit_leaves SET {change} WHERE idx = 70")
    expect(scene, kind)


def test_many_large_rows(scene: Scene) -> None:
    """They are read one after the other."""
    for column in ("core", "detail"):
        value = repeated("\N{GRINNING FACE}", 7 * MIB)
        rows = f"SELECT record_id FROM audit_leaves WHERE idx BETWEEN {20 if column == 'core' else 40} AND 49"
        scene.hand.run(f"UPDATE audit_records SET {column} = {value} WHERE id IN ({rows}) AND length({column}) < 9999")
    expect(scene, "malformed")


@pytest.mark.parametrize("column", ["id", "writer"])
def test_many_long_names(scene: Scene, column: str) -> None:
    """What a finding repeats of them is short."""
    value = f"{repeated('w', 6 * MIB)} || {column} || seq"
    rows = "SELECT record_id FROM audit_leaves WHERE idx BETWEEN 70 AND 79"
    scene.hand.run(f"UPDATE audit_records SET {column} = {value} WHERE id IN ({rows})")
    expect(scene, "removed" if column == "id" else "column")


def expect(scene: Scene, kind: str, index: int | None = None) -> None:
    """There is a report, within the limits."""
    scene.leave()
    answer = verify_apart(scene.log)
    assert answer.report is not None
    assert answer.seconds < MOST_SECONDS
    judge(scene, answer.report, kind, index)


def judge(scene: Scene, report: Report, kind: str, index: int | None = None) -> None:
    """There is such a finding; if it is of a record, all checkpoints were reached nevertheless."""
    assert report.verdict is Verdict.TAMPERED
    assert [each for each in report.findings if each.kind == kind and index in {None, each.index}]
    assert all(len(each.what) < 1000 and len(each.record or "") < 1000 for each in report.findings)
    if index is not None:
        assert report.anchored == scene.size
