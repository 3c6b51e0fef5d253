"""A log that goes on where less is left than the anchors know, and says so for ever."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import Note, sign
from asgi_audit.integrity.report import Verdict
from asgi_audit.sqlalchemy import AuditStore, Sealer
from asgi_audit.sqlalchemy.head import SealRefused
from asgi_audit.sqlalchemy.origin import Origin
from tests.sealed.anchor import FailingAnchor
from tests.sealed.hand import PostgresHand, SQLiteHand
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change, read, roll_back, root, sound

pytestmark = pytest.mark.asyncio

NAME = "audit.example/test"


async def fill(log: Log, writer: Writer, *counts: int) -> None:
    """Store so many records and seal them, and again."""
    for count in counts:
        await log.write([writer.record(BEGINNING + timedelta(minutes=writer.seq)) for _ in range(count)])
        await log.seal()


def origin(note: str) -> Origin:
    """Of a checkpoint."""
    return Origin.parse(Checkpoint.parse(Note.parse(note).text).origin)


async def losses(log: Log) -> list[tuple[str | None, object]]:
    """The reasons and the data of the loss records."""
    async with AuditStore(log.url) as store:
        return [(record.reason, record.data) async for record in store.query(kind="loss", oldest_first=True)]


async def test_a_restart_declares_what_is_lost_and_goes_on(log: Log, writer: Writer) -> None:
    """Under a new origin, with a record that names the reason and the number; no later pass has to be told again."""
    await fill(log, writer, 4, 3, 2)
    old = (await read(log.url)).notes
    await roll_back(log.url, 4)
    with pytest.raises(SealRefused):
        await log.seal()
    sealed = await log.sealer().restart("the disk broke; last night's backup")
    assert (sealed.records, sealed.size, sealed.troubles) == (1, 5, [])
    fresh = origin(sealed.note or "")
    assert fresh == (NAME, 1)
    [(reason, data)] = await losses(log)
    assert reason == "the disk broke; last night's backup"
    said = {"from": [NAME], "size": 4, "to": (sealed.note or "").partition("\n")[0]}
    assert data == {"records": 5, "reason": "the log was restarted", "restart": said}
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 5, [])
    await fill(log, writer, 2, 1)
    notes = (await sound(log.url)).notes
    assert [origin(note) for note in notes] == [(NAME, 0), *[fresh] * 3]
    assert list(FileAnchor(log.anchor).read()) == [*old, *notes[1:]]


async def test_a_log_can_be_begun_anew_in_an_empty_database(log: Log, writer: Writer) -> None:
    """No backup at all: the anchor alone knows how the log was called, and how much there was."""
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 0)
    sealed = await log.sealer().restart("no backup")
    assert sealed.size == 1
    assert origin(sealed.note or "") == (NAME, 1)
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 7, [])


async def test_a_restart_without_need_loses_nothing(log: Log, writer: Writer) -> None:
    """It is on record all the same, and the verdict stays what it was."""
    await fill(log, writer, 4)
    sealed = await log.sealer().restart("by mistake")
    assert (sealed.records, sealed.size) == (1, 5)
    [(reason, data)] = await losses(log)
    assert (reason, json.dumps(data).count('"records": 0')) == ("by mistake", 1)
    await fill(log, writer, 2)
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.PASS, 0, [])


async def test_a_restart_that_did_not_ask_the_anchor_is_a_loss(log: Log, writer: Writer) -> None:
    """Its record counts nothing as lost; but what the anchor knows was given up all the same."""
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 4)
    await Sealer(log.url, keys=log.keys).restart("without the anchor")
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 0, [])


async def test_restarts_are_counted(log: Log, writer: Writer) -> None:
    """So that of two origins everybody can tell which one is the later."""
    for restarts in range(3):
        await fill(log, writer, 3, 2)
        await roll_back(log.url, (await read(log.url)).sizes[-1] - 2)
        assert origin((await log.sealer().restart("again")).note or "") == (NAME, restarts + 1)
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 6, [])


async def test_a_backup_from_before_a_restart_is_refused(log: Log, writer: Writer) -> None:
    """Though it is signed, and larger than what the anchor knows of the log as it is now."""
    await fill(log, writer, 9)
    driver = SQLiteHand if log.url.startswith("sqlite") else PostgresHand
    backup = await driver.copy(log.url, "backup")
    await roll_back(log.url, 0)
    await log.sealer().restart("no backup was found")
    log.url = backup
    with pytest.raises(SealRefused, match=rf"knows the log {NAME}/restart-1-.{{8}}, the database has {NAME};"):
        await log.seal()
    assert origin((await log.sealer().restart("here it is")).note or "") == (NAME, 2)
    await log.seal()
    await driver.drop(backup)


@pytest.mark.parametrize("signed", [True, False])
async def test_an_anchor_that_was_away_hears_of_the_restart_later(log: Log, writer: Writer, signed: bool) -> None:
    """What it knows is the log before it was begun anew, which is no reason to refuse."""
    if not signed:
        log.keys = []
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 4)
    anchor = FailingAnchor(log.anchor)
    anchor.full = True
    sealed = await Sealer(log.url, keys=log.keys, anchors=[anchor]).restart("a backup")
    assert sealed.troubles == [f"{anchor.name} did not take the checkpoint: no room"]
    for expected in (0, 0):
        assert await log.seal() == expected
    notes = (await sound(log.url)).notes
    assert list(FileAnchor(log.anchor).read())[-1:] == notes[-1:]
    report = await log.verify(keyed=signed)
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 3, [])


async def test_a_sealer_that_was_refused_goes_on_when_another_has_restarted(log: Log, writer: Writer) -> None:
    """It need not be started again: the one in the application, when it was done by hand."""
    sealer = log.sealer()
    await log.write([writer.record(BEGINNING) for _ in range(5)])
    await sealer.seal()
    await roll_back(log.url, 0)
    with pytest.raises(SealRefused):
        await sealer.seal()
    await log.sealer().restart("by hand")
    await log.write([writer.record(datetime.now(UTC))])
    sealed = await sealer.seal()
    assert (sealed.records, origin(sealed.note or "")) == (1, (NAME, 1))
    assert (await log.verify()).verdict is Verdict.DECLARED_LOSS


async def test_an_anchor_that_does_not_answer_must_not_be_passed_over(log: Log, writer: Writer) -> None:
    """It may know of more than the others, and what is lost is declared once."""
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 4)
    anchor = FailingAnchor(log.anchor)
    anchor.away = True
    before = await read(log.url)
    with pytest.raises(SealRefused, match="can't be read: no route; without it nobody knows what is lost"):
        await Sealer(log.url, keys=log.keys, anchors=[anchor]).restart("a backup")
    assert await read(log.url) == before


async def test_nobody_else_can_say_that_the_log_was_begun_anew(log: Log, writer: Writer) -> None:
    """A checkpoint under a later origin counts only with a signature of ours, if we have a key."""
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 4)
    leaves = [each for *_, each in (await read(log.url)).leaves]
    forged = sign(Checkpoint(f"{NAME}/restart-9-00000000", 4, root(leaves)).text, [])
    await change(log.url, "UPDATE audit_checkpoints SET note = :note", note=forged)
    with pytest.raises(SealRefused, match=f"knows the log {NAME}, the database has {NAME}/restart-9"):
        await log.seal()
    remembering = Sealer(log.url, keys=log.keys)
    await log.write([writer.record(BEGINNING)])
    assert (await remembering.seal()).records == 1  # there is nothing that it could know


async def test_the_record_of_a_restart_has_its_mac(url: str, tmp_path: Path, writer: Writer) -> None:
    """As every record of a log with a secret."""
    log = Log(url, tmp_path, mac=b"m" * 32)
    await fill(log, writer, 4, 3)
    await roll_back(log.url, 4)
    await log.sealer().restart("a backup")
    report = await log.verify()
    assert (report.verdict, report.lost, report.findings) == (Verdict.DECLARED_LOSS, 3, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.example", ("a.example", 0)),
        ("a.example/restart-3-0123abcd", ("a.example", 3)),
        ("a.example/restart-3-0123abcd/restart-4-0123abcd", ("a.example/restart-3-0123abcd", 4)),
        ("a.example/restart-0-0123abcd", ("a.example/restart-0-0123abcd", 0)),
        ("a.example/restart-3", ("a.example/restart-3", 0)),
        ("/restart-3-0123abcd", ("/restart-3-0123abcd", 0)),
    ],
)
async def test_an_origin_that_says_nothing_of_a_restart_is_a_name(text: str, expected: tuple[str, int]) -> None:
    """Whatever it looks like."""
    parsed = Origin.parse(text)
    assert parsed == expected
    following = Origin.parse(parsed.anew())
    assert following == (parsed.log, parsed.restarts + 1)
    assert following.follows(parsed)
    assert not parsed.follows(following)
    assert not following.follows(Origin("b.example", 0))
