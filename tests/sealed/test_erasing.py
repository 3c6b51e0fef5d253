"""Erasing parts of records: what goes, what stays, and what stops it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.projection import OF_PARTS
from asgi_audit.integrity.report import Verdict
from asgi_audit.record import Actor, Kind
from asgi_audit.sqlalchemy import erasing, upgrade_database
from asgi_audit.sqlalchemy.alteration import EvidenceAltered
from asgi_audit.sqlalchemy.erasing import Erased, Eraser
from asgi_audit.store import Query
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.rows import entries, rows
from tests.sealed.tables import change

pytestmark = pytest.mark.asyncio

REASON = "request 2026-117"


async def written(log: Log, writer: Writer, count: int = 10, **fields: Any) -> list[str]:
    """The ids of new records in the log, a second apart."""
    made = [writer.record(BEGINNING + timedelta(seconds=writer.seq), **fields) for _ in range(count)]
    await log.write(made)
    return [each.id for each in made]


@pytest.mark.parametrize("append_only", [False, True], ids=["bare", "append-only"])
async def test_parts_go_with_salts_and_columns_and_the_rest_stays(
    append_only: bool, log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several transactions, each with the record that names what went; and the log verifies."""
    monkeypatch.setattr(erasing, "_BATCH", 4)
    await upgrade_database(log.url, append_only=append_only)
    ids = await written(log, writer)
    await log.seal()
    before = await rows(log.url)
    told: list[tuple[int, int]] = []
    eraser = Eraser(log.url, parts=["detail", "actor"])
    assert await eraser.count(ids=ids) == 10
    erased = await eraser.erase(ids=ids, reason=REASON, progress=lambda *numbers: told.append(numbers))
    assert (erased.records, told) == (10, [(4, 10), (8, 10), (10, 10)])
    gone = {f"{part}{suffix}" for part in ("actor", "detail") for suffix in ("", "_salt")}
    gone |= {*OF_PARTS["actor"], *OF_PARTS["detail"]}
    after = await rows(log.url)
    for id_ in ids:
        assert after[id_] == before[id_] | dict.fromkeys(gone)
    said = await entries(log.url, Kind.ERASE)
    assert [each.id for each in said] == erased.entries
    assert [each.data for each in said] == [
        {"parts": ["actor", "detail"], "records": each} for each in (ids[:4], ids[4:8], ids[8:])
    ]
    assert {each.reason for each in said} == {REASON}
    report = await log.verify()
    assert (report.verdict, report.erased) == (Verdict.PASS, {"actor": 10, "target": 0, "detail": 10})
    await log.seal()
    assert (await log.verify()).verdict is Verdict.PASS


async def test_again_there_is_nothing_to_erase(log: Log, writer: Writer) -> None:
    """And nothing is written; of another part there still is."""
    ids = await written(log, writer)
    assert (await Eraser(log.url).erase(ids=ids, reason=REASON)).records == 10
    before = await rows(log.url)
    assert await Eraser(log.url).count(ids=ids) == 0
    assert await Eraser(log.url).erase(ids=ids, reason=REASON) == Erased(0, [])
    assert await rows(log.url) == before
    assert await Eraser(log.url, parts=["actor", "target"]).count(ids=ids) == 10


async def test_records_may_be_erased_before_they_are_sealed(log: Log, writer: Writer) -> None:
    """The core that is sealed then commits to what nobody knows any more."""
    ids = await written(log, writer)
    assert (await Eraser(log.url).erase(ids=ids, reason=REASON)).records == 10
    assert await log.seal() == 11
    report = await log.verify()
    assert (report.verdict, report.erased["actor"]) == (Verdict.PASS, 10)


async def test_filters_and_ids_choose_together(log: Log, writer: Writer) -> None:
    """Whatever must match does; the others stay as they were."""
    ada = await written(log, writer, 3, actor=Actor("ada"))
    bob = await written(log, writer, 3, actor=Actor("bob"))
    await log.seal()
    before = await rows(log.url)
    eraser = Eraser(log.url)
    assert await eraser.count(Query(actor="ada")) == 3
    assert await eraser.count(Query(actor="ada"), ada[1:] + bob) == 2
    assert await eraser.count(Query()) == 6
    assert (await eraser.erase(Query(actor="ada"), ada[1:] + bob, reason=REASON)).records == 2
    after = await rows(log.url)
    assert [id_ for id_ in ada + bob if after[id_] != before[id_]] == ada[1:]
    assert (await log.verify()).verdict is Verdict.PASS


async def test_what_the_trail_says_of_itself_is_never_erased(log: Log, writer: Writer) -> None:
    """Else nobody could tell what was lost, or erased, and why."""
    await written(log, writer, 2)
    own = [writer.own(kind, BEGINNING, {"records": 0}) for kind in (Kind.OPEN, Kind.LOSS, Kind.CLOSE)]
    await log.write(own)
    eraser = Eraser(log.url, parts=["actor", "target", "detail"])
    assert (await eraser.erase(Query(), reason=REASON)).records == 2
    assert (await eraser.erase(Query(), [each.id for each in own], reason=REASON)).records == 0
    stored = await rows(log.url)
    kept = [row["detail"] for row in stored.values() if row["kind"] != Kind.HTTP]
    assert len(kept) == 4
    assert None not in kept


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_records SET actor_id = 'mallory' WHERE seq = 5", "the column actor_id is not"),
        ("UPDATE audit_records SET actor = '{}' WHERE seq = 5", "the part actor is not what the core commits to"),
        ("UPDATE audit_records SET detail_salt = NULL WHERE seq = 5", "the part detail and its salt are not both"),
        ("UPDATE audit_records SET core = 'nonsense' WHERE seq = 5", "the core "),
        (
            "UPDATE audit_records SET outcome = 'failed', core = replace(core, 'success', 'failed') WHERE seq = 5",
            "the core is not what was sealed",
        ),
    ],
)
async def test_a_record_that_was_changed_stops_it(
    statement: str, said: str, log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done before stays done; of its own batch nothing is, nor of what would have come."""
    monkeypatch.setattr(erasing, "_BATCH", 4)
    ids = await written(log, writer)
    await log.seal()
    await change(log.url, statement)
    with pytest.raises(EvidenceAltered, match=f"stopped at record {ids[5]}: {said}"):
        await Eraser(log.url).erase(ids=ids, reason=REASON)
    stored = await rows(log.url)
    assert [id_ for id_ in ids if stored[id_]["actor"] is None] == ids[:4]
    assert [each.data for each in await entries_before(log)] == [{"parts": ["actor"], "records": ids[:4]}]
    assert (await log.verify()).verdict is Verdict.TAMPERED


async def entries_before(log: Log) -> list[Any]:
    """The erasures that were recorded."""
    return await entries(log.url, Kind.ERASE)


async def test_two_at_once_erase_each_record_once(log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each counts what it has erased itself."""
    monkeypatch.setattr(erasing, "_BATCH", 3)
    ids = await written(log, writer, 20)
    await log.seal()
    both = await asyncio.gather(*(Eraser(log.url).erase(ids=ids, reason=REASON) for _ in range(2)))
    assert sum(each.records for each in both) == 20
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.erased["actor"]) == (Verdict.PASS, 20)


async def test_the_records_of_an_erasure_have_macs_if_there_is_a_secret(url: str, log: Log, writer: Writer) -> None:
    """The others need none: a MAC is of the core, which stays."""
    ids = await written(log, writer)
    await log.seal()
    maced = Log(url, log.anchor.parent, mac=b"s" * 32)
    assert (await Eraser(url, mac=maced.mac).erase(ids=ids, reason=REASON)).records == 10
    (entry,) = await entries(url, Kind.ERASE)
    assert '"mac":' in (await rows(url))[entry.id]["core"]


async def test_what_to_erase_and_why_must_be_said(log: Log) -> None:
    """Before anything is connected to."""
    for parts in ([], ["core"], ["actor", "cor"]):
        with pytest.raises(ConfigurationError, match="choose from actor, target, detail"):
            Eraser(log.url, parts=parts)
    await upgrade_database(log.url)
    for reason in ("", " \n"):
        with pytest.raises(ConfigurationError, match="say why"):
            await Eraser(log.url).erase(Query(), reason=reason)
    with pytest.raises(ConfigurationError, match="say which records: by a query, or by their ids"):
        await Eraser(log.url).count()
