"""What is stored is sealed: once, in the order of ids, and signed when it is committed."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import SchemaError, Sealer, upgrade_database
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change, read, sound

pytestmark = pytest.mark.asyncio


async def test_what_is_stored_is_sealed_once_in_the_order_of_ids(log: Log, writer: Writer) -> None:
    """Whatever the order in which it was stored; what comes later goes behind it."""
    early = [writer.record(BEGINNING + timedelta(seconds=second)) for second in random.Random(1).sample(range(500), 40)]
    late = [writer.record(BEGINNING + timedelta(seconds=1000 + second)) for second in range(7)]
    await log.write(early)
    assert await log.seal() == 40
    assert (await sound(log.url)).sealed == sorted(each.id for each in early)
    await log.write(late)
    assert await log.seal() == 7
    tables = await sound(log.url)
    assert tables.sealed == [*sorted(each.id for each in early), *(each.id for each in late)]
    assert tables.sizes == [40, 47]
    assert (await log.verify()).verdict is Verdict.PASS


async def test_a_pass_with_nothing_to_seal_changes_nothing(log: Log, writer: Writer) -> None:
    """Neither by the same sealer nor by another one; and what it says is the newest checkpoint."""
    await log.write([writer.record(BEGINNING)])
    sealer = log.sealer()
    first = await sealer.seal()
    before, anchored = await read(log.url), log.anchor.read_bytes()
    for again in (sealer, log.sealer()):
        assert await again.seal() == first._replace(records=0)
    assert await read(log.url) == before
    assert log.anchor.read_bytes() == anchored
    assert (first.size, first.note, first.gave_way, first.troubles) == (1, before.notes[0], False, [])


async def test_an_empty_log_has_no_checkpoint(log: Log) -> None:
    """There is nothing to sign; its first record is the beginning of the log."""
    await upgrade_database(log.url)
    sealed = await log.sealer().seal()
    assert sealed == (0, 0, None, False, [])
    assert await read(log.url) == ({}, [], [])
    assert not log.anchor.exists()


async def test_there_is_a_checkpoint_at_least_every_thousand_records(log: Log, writer: Writer) -> None:
    """Of a backlog, each thousand is committed, signed, and then gone on from; only the last reaches the anchors."""
    await log.write([writer.record(BEGINNING + timedelta(milliseconds=number)) for number in range(3001)])
    assert await log.seal() == 3001
    tables = await sound(log.url)
    assert tables.sizes == [1000, 2000, 3000, 3001]
    assert list(FileAnchor(log.anchor).read()) == tables.notes[-1:]


async def test_a_thousand_records_are_one_checkpoint(log: Log, writer: Writer) -> None:
    """No second one is made for nothing."""
    await log.write([writer.record(BEGINNING) for _ in range(1000)])
    assert await log.seal() == 1000
    assert (await sound(log.url)).sizes == [1000]


async def test_leaves_are_committed_before_they_are_signed(log: Log, writer: Writer) -> None:
    """A key is asked to sign only what the database can no longer lose."""
    await log.write([writer.record(BEGINNING) for _ in range(3)])
    statements: list[tuple[str, Any]] = []

    class Watching:
        name, key_id = log.keys[0].name, log.keys[0].key_id

        def sign(self, text: bytes) -> bytes:
            statements.append(("signed", ()))
            return log.keys[0].sign(text)

    with _seen(statements):
        await Sealer(log.url, keys=[Watching()]).seal()
    made = [each.partition(" (")[0] for each, _ in statements if not _reads(each)]
    assert made == ["INSERT INTO audit_leaves", "commit", "signed", "INSERT INTO audit_checkpoints", "commit"]


async def test_without_a_key_checkpoints_are_unsigned_and_still_anchored(log: Log, writer: Writer) -> None:
    """The log makes a name up; note and verdict say that nobody has signed."""
    log.keys = []
    await log.write([writer.record(BEGINNING)])
    sealer = log.sealer()
    first = await sealer.seal()
    await log.write([writer.record(BEGINNING)])
    second = await sealer.seal()
    notes = [Note.parse(each.note or "") for each in (first, second)]
    assert [note.signatures for note in notes] == [(), ()]
    origins = {Checkpoint.parse(note.text).origin for note in notes}
    assert len(origins) == 1
    assert origins.pop().startswith("asgi-audit/")
    await sound(log.url)
    report = await log.verify(keyed=False)
    assert report.verdict is Verdict.PASS
    assert "signatures were not checked: no public key was given" in report.notes


async def test_without_an_anchor_the_database_alone_has_the_checkpoints(log: Log, writer: Writer) -> None:
    """It works, and the verdict says so."""
    await log.write([writer.record(BEGINNING)])
    assert (await Sealer(log.url, keys=log.keys).seal()).records == 1
    assert (await log.verify(anchored=False)).verdict is Verdict.UNANCHORED


async def test_whatever_stands_in_a_core_is_sealed(sqlite_url: str, tmp_path: Path, writer: Writer) -> None:
    """A column of SQLite holds what its owner puts there. The sealer gives it a leaf, and is not stopped by it."""
    log = Log(sqlite_url, tmp_path)
    texts: list[tuple[str, Any]] = [("CAST(:value AS TEXT)", each) for each in (b"lone \xed\xa0\x80", b"\xff", b"")]
    for place, value in [*texts, (":value", b"\x00"), (":value", 7)]:
        record = writer.record(BEGINNING)
        await log.write([record])
        await change(log.url, f"UPDATE audit_records SET core = {place} WHERE id = :id", value=value, id=record.id)
    assert await log.seal() == 5
    assert await log.seal() == 0
    assert (await log.verify()).verdict is Verdict.TAMPERED


async def test_a_record_with_the_lowest_of_ids_is_sealed_too(log: Log, writer: Writer) -> None:
    """No id is so low that the look at everything would pass it over."""
    await log.write([writer.record(BEGINNING)])
    lowest = "00000000-0000-0000-0000-000000000000"
    await change(log.url, "UPDATE audit_records SET id = :id", id=lowest)
    assert await log.seal() == 1
    assert (await read(log.url)).sealed == [lowest]


async def test_a_pass_costs_the_same_whatever_is_sealed(sqlite_url: str, tmp_path: Path, writer: Writer) -> None:
    """Behind three thousand sealed records SQLite has about as many steps to do as behind a hundred."""
    log = Log(sqlite_url, tmp_path)
    sealer = log.sealer()
    time, steps = BEGINNING, []
    for more in (100, 2900):
        times = [time := time + timedelta(seconds=10) for _ in range(more)]
        await log.write([writer.record(each) for each in times])
        await sealer.seal()
        statements: list[tuple[str, Any]] = []
        with _seen(statements):
            await sealer.seal()
        steps.append(_steps(log.url, statements))
    assert 100 < steps[1] < 1.2 * steps[0]


async def test_a_sealer_needs_a_database_with_tables(sqlite_url: str, postgres_url: str) -> None:
    """It makes none: that is for the application, or for `asgi-audit upgrade`."""
    with pytest.raises(ConfigurationError, match="there is no such file"):
        await Sealer(sqlite_url).seal()
    Path(sqlite_url.removeprefix("sqlite:///")).touch()
    for url in (sqlite_url, postgres_url):
        with pytest.raises(SchemaError):
            await Sealer(url).seal()


def _reads(statement: str) -> bool:
    return not statement.startswith(("INSERT", "commit", "signed"))


def _steps(url: str, statements: list[tuple[str, Any]]) -> int:
    """How many steps of its virtual machine SQLite needs for the queries among the statements."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.set_progress_handler(step, 1)
        for statement, values in statements:
            if statement.startswith("SELECT"):
                connection.execute(statement, values).fetchall()
    return count


@contextmanager
def _seen(statements: list[tuple[str, Any]]) -> Iterator[None]:
    """The statements of every engine with their values, and its commits."""

    def execute(*arguments: Any) -> None:
        statements.append((arguments[2], arguments[3]))

    def commit(connection: Any) -> None:
        statements.append(("commit", ()))

    event.listen(Engine, "before_cursor_execute", execute)
    event.listen(Engine, "commit", commit)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", execute)
        event.remove(Engine, "commit", commit)
