"""SQLite's file against the verifier: what no statement could make of it."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from asgi_audit.errors import AuditError
from asgi_audit.integrity.report import Report, Verdict
from asgi_audit.sqlalchemy import hardening
from asgi_audit.sqlalchemy.hardening import NoAnswer
from tests.sealed.forging import invented
from tests.sealed.original import Original
from tests.sealed.scene import Scene

PATIENCE = 60


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A log in a file, all of it: no write-ahead log stands beside it."""
    home = tmp_path_factory.mktemp("files")
    return Original(f"sqlite:///{home}/audit.db", home, 100)


@pytest.fixture
def scene(original: Original) -> Iterator[Scene]:
    """A copy."""
    with original.copied(random.Random(3)) as scene:
        with closing(sqlite3.connect(path(scene))) as database:
            database.execute("PRAGMA journal_mode = DELETE")
        yield scene


def path(scene: Scene) -> Path:
    """Its file."""
    return Path(scene.log.url.removeprefix("sqlite:///"))


def verify(scene: Scene) -> Report:
    """In time."""

    async def within() -> Report:
        async with asyncio.timeout(PATIENCE):
            return await scene.log.verify()

    return asyncio.run(within())


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0", b"no database at all\n" * 1000, bytes(100_000)])
def test_a_file_that_is_no_database_is_no_evidence(scene: Scene, content: bytes) -> None:
    """There is nothing to report about."""
    path(scene).write_bytes(content)
    with pytest.raises(AuditError):
        verify(scene)


@pytest.mark.parametrize(
    "sql",
    [b"\xff", b"CREATE TABLE \xff", "CREATE TABLE audit_leaves (", "CREATE TABLE audit_leaves (idx)", "no SQL", ""],
)
def test_a_schema_that_cannot_be_read_is_no_evidence(scene: Scene, sql: str | bytes) -> None:
    """Nor is there if SQLite doesn't understand what tables there are, or not in the same way."""
    with closing(sqlite3.connect(path(scene))) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = CAST(? AS TEXT) WHERE name = 'audit_leaves'", (sql,))
        database.commit()
    with suppress(AuditError):
        assert verify(scene).verdict is Verdict.TAMPERED


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_is_cut_off_is_found(scene: Scene, share: float) -> None:
    """Whatever is missing of it."""
    content = path(scene).read_bytes()
    path(scene).write_bytes(content[: int(len(content) * share)])
    with suppress(AuditError):
        assert verify(scene).verdict is Verdict.TAMPERED


def test_a_record_that_only_some_indexes_have_is_found(scene: Scene) -> None:
    """Of SQLite's file that is none as SQLite writes it: who asks by actor finds a record that has no id."""
    forged = invented(scene)
    scene.leave()
    with closing(sqlite3.connect(path(scene), isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        made = database.execute("SELECT * FROM sqlite_master WHERE tbl_name = 'audit_records'").fetchall()
        keys = [row for row in made if row[1].startswith("sqlite_autoindex")]
        (table,) = (row for row in made if row[0] == "table")
        bare = table[4].partition("CONSTRAINT")[0].rstrip(", \n\t") + ")"
        database.execute("DELETE FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_audit_records%'")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'audit_records'", (bare,))
    scene.insert(forged)
    scene.leave()
    with closing(sqlite3.connect(path(scene), isolation_level=None)) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'audit_records'", (table[4],))
        database.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", keys)
    with closing(sqlite3.connect(path(scene))) as database:
        asked = "SELECT count(*) FROM audit_records WHERE {} = ?"
        assert database.execute(asked.format("actor_id"), (forged["actor_id"],)).fetchone()[0] > 0
        assert database.execute(asked.format("id"), (forged["id"],)).fetchone()[0] == 0
    report = verify(scene)
    assert report.verdict is Verdict.TAMPERED
    assert [each.kind for each in report.findings] == ["table"]
    assert "the file is damaged" in report.findings[0].what


def test_a_tree_that_contains_itself_is_found(scene: Scene) -> None:
    """Of the pages that hold the leaves, one says that it is below itself."""
    root = root_page(scene, "audit_leaves")
    rewrite(scene, {root: interior(root, [(root, key) for key in range(0, 10**6, 5000)])})
    with suppress(AuditError):
        assert verify(scene).verdict is Verdict.TAMPERED


def test_a_tree_that_contains_the_same_again_and_again_is_found(scene: Scene) -> None:
    """On ten floors, each page has hundreds of times the page below it: more leaves than anybody can read."""
    rewrite(scene, tower(scene, "audit_leaves"))
    report = verify(scene)
    assert report.verdict is Verdict.TAMPERED
    assert {each.kind for each in report.findings} & {"index", "table"}


def test_nobody_waits_for_the_end_of_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no index any more that leads past it, verifier and sealer give up."""
    monkeypatch.setattr(hardening, "_PATIENCE", 1.0)
    scene.relax()
    scene.hand.run("DROP INDEX bare_records")
    scene.leave()
    rewrite(scene, tower(scene, "audit_records"))
    report = verify(scene)
    assert report.verdict is Verdict.TAMPERED
    assert "audit_records can't be read: no answer of the database within 1 s" in [
        each.what for each in report.findings
    ]
    with pytest.raises(NoAnswer):
        scene.seal()


def test_a_verifier_can_be_cancelled(scene: Scene) -> None:
    """Although SQLite is at work in a thread of its own, and would be for ever."""
    scene.relax()
    scene.hand.run("DROP INDEX bare_records")
    scene.leave()
    rewrite(scene, tower(scene, "audit_records"))

    async def begin() -> None:
        async with asyncio.timeout(1):
            await scene.log.verify()

    with pytest.raises(TimeoutError):
        asyncio.run(begin())


@pytest.mark.timeout(3600)
def test_a_page_of_anything_is_found_or_was_not_in_use(scene: Scene, full: bool) -> None:
    """Whatever a page is replaced by, or whichever of its bytes: there is a report or a clear error, in time."""
    content = path(scene).read_bytes()
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(1000 if full else 30):
        spoilt = bytearray(content)
        page = chance.randrange(len(content) // 4096) * 4096
        if chance.random() < 0.5:
            spoilt[page : page + 4096] = chance.randbytes(4096)
        else:
            for _ in range(chance.randrange(1, 10)):
                spoilt[page + chance.randrange(4096)] = chance.randrange(256)
        path(scene).write_bytes(spoilt)
        with suppress(AuditError):
            msgspec.json.encode(verify(scene))


def root_page(scene: Scene, table: str) -> int:
    """Where its tree begins."""
    with closing(sqlite3.connect(path(scene))) as database:
        found = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    return int(found[0])


def interior(last: int, cells: list[tuple[int, int]]) -> bytes:
    """A page of a table's tree: pages that are below it, and up to which key (sqlite.org/fileformat2.html, 1.6)."""
    body, pointers = b"", []
    for child, key in cells:
        body = child.to_bytes(4, "big") + varint(key) + body
        pointers.append(4096 - len(body))
    head = b"\x05" + bytes(2) + len(cells).to_bytes(2, "big") + pointers[-1].to_bytes(2, "big") + b"\0"
    head += last.to_bytes(4, "big") + b"".join(each.to_bytes(2, "big") for each in pointers)
    return head.ljust(4096 - len(body), b"\0") + body


def varint(number: int) -> bytes:
    """Seven bits a byte, the highest first."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127 | 128)
    return bytes(reversed(groups))


def tower(scene: Scene, table: str) -> dict[int, bytes]:
    """A tree of ten floors: each page has the next one 400 times below it, and the last one has what there was."""
    root = root_page(scene, table)
    content = path(scene).read_bytes()
    fresh = len(content) // 4096
    floors = [root, *range(fresh + 1, fresh + 10)]
    pages = {}
    for page, below in pairwise(floors):
        pages[page] = interior(below, [(below, 10**6 + key) for key in range(400)])
    return pages | {floors[-1]: content[(root - 1) * 4096 : root * 4096]}


def rewrite(scene: Scene, pages: dict[int, bytes]) -> None:
    """Put pages into the file, and say in its head how many there are."""
    scene.leave()
    content = bytearray(path(scene).read_bytes())
    for number, page in sorted(pages.items()):
        content[(number - 1) * 4096 : number * 4096] = page
    content[28:32] = (len(content) // 4096).to_bytes(4, "big")
    path(scene).write_bytes(content)
