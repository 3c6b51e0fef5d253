"""Deleting old records: only what is sealed and anchored, so that everything else can still be proved."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from asgi_audit.anchors import FileAnchor
from asgi_audit.errors import ConfigurationError
from asgi_audit.integrity.checkpoint import Checkpoint
from asgi_audit.integrity.note import sign
from asgi_audit.integrity.report import Verdict
from asgi_audit.record import Kind, Record
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import purging, upgrade_database
from asgi_audit.sqlalchemy.alteration import EvidenceAltered
from asgi_audit.sqlalchemy.proving import prove
from asgi_audit.sqlalchemy.purging import NotAnchored, Plan, Purger
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.rows import entries, rows
from tests.sealed.tables import change, read

pytestmark = pytest.mark.asyncio

#: Records before are old, those behind are not.
LIMIT = BEGINNING + timedelta(days=1)
REASON = "two years"


def made(writer: Writer, count: int, *, old: bool = True) -> list[Record]:
    """Records, a second apart."""
    begin = BEGINNING if old else LIMIT + timedelta(days=1)
    return [writer.record(begin + timedelta(seconds=writer.seq)) for _ in range(count)]


async def written(log: Log, writer: Writer, count: int, *, old: bool = True) -> list[str]:
    """The ids of records that were written and sealed."""
    records = made(writer, count, old=old)
    await log.write(records)
    await log.seal()
    return [each.id for each in records]


def purger(log: Log, **options: Any) -> Purger:
    """One who asks the log's own anchor."""
    return Purger(log.url, **{"anchors": [log.anchor], **options})


@pytest.mark.parametrize("append_only", [False, True], ids=["bare", "append-only"])
async def test_old_rows_go_and_their_leaves_stay(
    append_only: bool, log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several transactions, each with the record that says which; every checkpoint and proof still holds."""
    monkeypatch.setattr(purging, "_BATCH", 4)
    await upgrade_database(log.url, append_only=append_only)
    ids = await written(log, writer, 10)
    proof = await prove(log.url, ids[3])
    new = await written(log, writer, 3, old=False)
    before = await read(log.url)
    told: list[tuple[int, int]] = []
    assert await purger(log).plan(LIMIT) == Plan(10, 0, 0)
    done = await purger(log, keys=log.pinned).purge(
        LIMIT, reason=REASON, progress=lambda *numbers: told.append(numbers)
    )
    assert (done, told) == (10, [(4, 10), (8, 10), (10, 10)])
    after = await read(log.url)
    assert (after.leaves, after.checkpoints) == (before.leaves, before.checkpoints)
    said = await entries(log.url, Kind.PURGE)
    assert set(after.cores) == {*new, *(each.id for each in said)}
    for each, first, last in zip(said, (0, 4, 8), (3, 7, 9), strict=True):
        digest = sha256("".join(f"{id_}\n" for id_ in ids[first : last + 1]).encode()).hexdigest()
        assert each.reason == REASON
        assert each.data == {
            "before": str(LIMIT),
            "ranges": [[first, last, digest]],
            "records": last - first + 1,
            "writers": {writer.id: [[first, last]]},
        }
    report = await log.verify()
    assert (report.verdict, report.purged) == (Verdict.PASS, 10)
    assert proof.check(log.pinned).record.id == ids[3]
    await log.seal()
    assert (await log.verify()).verdict is Verdict.PASS
    assert (await prove(log.url, new[1])).check(log.pinned).record.id == new[1]


async def test_what_is_purged_need_not_stand_together(log: Log, writer: Writer) -> None:
    """It is named by stretches, of indexes and of each writer's records."""
    other = Writer(writer._chance)
    first = await written(log, writer, 3)
    new = await written(log, writer, 2, old=False)
    await log.write([*made(other, 2), *made(writer, 2)])
    await log.seal()
    assert await purger(log).purge(LIMIT, reason=REASON) == 7
    (entry,) = await entries(log.url, Kind.PURGE)
    assert entry.data is not None
    assert [each[:2] for each in entry.data["ranges"]] == [[0, 2], [5, 8]]
    assert entry.data["writers"] == {writer.id: [[0, 2], [5, 6]], other.id: [[0, 1]]}
    assert [id_ for id_ in [*first, *new] if id_ in await rows(log.url)] == new
    report = await log.verify()
    assert (report.verdict, report.purged) == (Verdict.PASS, 7)


async def test_again_there_is_nothing_to_purge(log: Log, writer: Writer) -> None:
    """And nothing is written."""
    await written(log, writer, 3)
    assert await purger(log).purge(LIMIT, reason=REASON) == 3
    before = await rows(log.url)
    assert await purger(log).plan(LIMIT) == Plan(0, 0, 0)
    assert await purger(log).purge(LIMIT, reason=REASON) == 0
    assert await rows(log.url) == before


async def test_what_explains_what_is_missing_is_never_purged(log: Log, writer: Writer) -> None:
    """Losses, erasures and other purges; whatever else the trail has said of itself goes with the rest."""
    ids = await written(log, writer, 4)
    await log.erase(ids[:2])
    own = [writer.own(kind, BEGINNING, {"records": 0}) for kind in (Kind.OPEN, Kind.LOSS, Kind.CLOSE)]
    await log.write(own)
    await log.seal()
    assert await purger(log).purge(LIMIT, reason=REASON) == 6
    await log.seal()
    everything = datetime.now(UTC) + timedelta(days=1)
    assert await purger(log).plan(everything) == Plan(0, 0, 0)
    assert sorted(row["kind"] for row in (await rows(log.url)).values()) == [Kind.ERASE, Kind.LOSS, Kind.PURGE]
    assert (await log.verify()).purged == 6


async def test_what_is_not_sealed_or_not_anchored_stays(log: Log, writer: Writer) -> None:
    """It is counted, and purged when it is."""
    await written(log, writer, 3)
    known = log.anchor.read_bytes()
    unanchored = await written(log, writer, 2)
    log.anchor.write_bytes(known)
    unsealed = made(writer, 1)
    await log.write(unsealed)
    assert await purger(log).plan(LIMIT) == Plan(3, 1, 2)
    assert await purger(log).purge(LIMIT, reason=REASON) == 3
    assert {*unanchored, unsealed[0].id} <= set(await rows(log.url))
    await log.seal()
    assert await purger(log).purge(LIMIT, reason=REASON) == 3
    report = await log.verify()
    assert (report.verdict, report.purged) == (Verdict.PASS, 6)


async def test_of_several_anchors_the_best_counts(log: Log, writer: Writer, tmp_path: Path) -> None:
    """One may be behind, another be empty, a third hold what is no checkpoint."""
    await written(log, writer, 3)
    behind = tmp_path / "behind"
    behind.write_bytes(log.anchor.read_bytes())
    (tmp_path / "junk").write_text(json.dumps({"checkpoint": f"{log.keys[0].name}\njunk\n\n"}) + "\n")
    await written(log, writer, 2)
    anchors = [behind, tmp_path / "none", tmp_path / "junk", log.anchor, behind]
    assert await purger(log, anchors=anchors).plan(LIMIT) == Plan(5, 0, 0)
    assert await purger(log, anchors=anchors[:3]).plan(LIMIT) == Plan(3, 0, 2)


async def test_where_nothing_is_sealed_nothing_is_purged(log: Log, writer: Writer) -> None:
    """However old."""
    await log.write(made(writer, 1))
    with pytest.raises(NotAnchored, match="nothing is sealed yet"):
        await purger(log).purge(LIMIT, reason=REASON)


async def test_only_an_anchor_of_this_tree_vouches(log: Log, writer: Writer, tmp_path: Path) -> None:
    """Not one of another tree under the same name, a larger or a smaller one, nor one that is forged."""
    ids = await written(log, writer, 3)
    name = log.keys[0].name
    notes = {
        "smaller": sign(Checkpoint(name, 2, b"x" * 32).text, log.keys),
        "larger": sign(Checkpoint(name, 9, b"x" * 32).text, log.keys),
        "other": sign(Checkpoint("other.example", 3, b"x" * 32).text, log.keys),
        "forged": (await read(log.url)).notes[-1].replace("\n3\n", "\n2\n"),
        "no note": f"{name}\n",
    }
    for label, note in notes.items():
        anchor = FileAnchor(tmp_path / label)
        await anchor.publish(note)
        for keys in ([], log.pinned):
            with pytest.raises(NotAnchored, match="the newest checkpoint of no anchor is one of this database's tree"):
                await purger(log, anchors=[anchor], keys=keys).purge(LIMIT, reason=REASON)
    with pytest.raises(NotAnchored, match="tree, signed by a given key: `asgi-audit verify` tells more"):
        await purger(log, keys=[SigningKey.generate(name).verifier]).plan(LIMIT)
    assert set(await rows(log.url)) == set(ids)


async def test_after_a_restart_the_log_is_still_the_same(log: Log, writer: Writer) -> None:
    """The anchor has it under its new name."""
    await written(log, writer, 3)
    await log.sealer().restart("the disk broke")
    assert await purger(log, keys=log.pinned).purge(LIMIT, reason=REASON) == 3
    assert (await log.verify()).purged == 3


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit_records SET actor_id = 'mallory' WHERE seq = 5", "the column actor_id is not"),
        ("UPDATE audit_records SET actor = '{}' WHERE seq = 5", "the part actor is not what the core commits to"),
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
    monkeypatch.setattr(purging, "_BATCH", 4)
    ids = await written(log, writer, 10)
    await change(log.url, statement)
    with pytest.raises(EvidenceAltered, match=f"stopped at record {ids[5]}: {said}"):
        await purger(log).purge(LIMIT, reason=REASON)
    stored = await rows(log.url)
    assert [id_ for id_ in ids if id_ in stored] == ids[4:]
    assert len(await entries(log.url, Kind.PURGE)) == 1
    assert (await log.verify()).verdict is Verdict.TAMPERED


async def test_with_a_secret_a_record_without_its_mac_stops_it(url: str, writer: Writer, tmp_path: Path) -> None:
    """But one that was sealed before there was a secret; the record of the purge has one."""
    bare, maced = Log(url, tmp_path), Log(url, tmp_path, mac=b"s" * 32)
    maced.keys, maced.pinned, maced.anchor = bare.keys, bare.pinned, bare.anchor
    await written(bare, writer, 2)
    await written(maced, writer, 2)
    with pytest.raises(EvidenceAltered, match="the record has no MAC"):
        await purger(maced, mac=maced.mac).purge(LIMIT, reason=REASON)
    assert await purger(maced, mac=maced.mac, mac_from=2).purge(LIMIT, reason=REASON) == 4
    (entry,) = await entries(url, Kind.PURGE)
    assert '"mac":' in (await rows(url))[entry.id]["core"]


async def test_what_was_purged_may_come_again(log: Log, writer: Writer) -> None:
    """From a journal that was slow: it is not sealed twice, and is purged again."""
    late = made(writer, 3)
    await log.write(late)
    await log.seal()
    assert await purger(log).purge(LIMIT, reason=REASON) == 3
    await log.write(late)
    assert await log.seal() == 1  # the record of the purge
    assert (await log.verify()).verdict is Verdict.PASS
    assert await purger(log).purge(LIMIT, reason=REASON) == 3
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.purged) == (Verdict.PASS, 3)


async def test_two_at_once_purge_each_record_once(log: Log, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each counts what it has purged itself."""
    monkeypatch.setattr(purging, "_BATCH", 3)
    await written(log, writer, 20)
    both = await asyncio.gather(*(purger(log).purge(LIMIT, reason=REASON) for _ in range(2)))
    assert sum(both) == 20
    await log.seal()
    report = await log.verify()
    assert (report.verdict, report.purged) == (Verdict.PASS, 20)


async def test_an_anchor_and_a_reason_must_be_given(log: Log) -> None:
    """Before anything is connected to."""
    with pytest.raises(ConfigurationError, match="name where the checkpoints are kept"):
        Purger(log.url, anchors=[])
    for reason in ("", " \n"):
        with pytest.raises(ConfigurationError, match="say why"):
            await purger(log).purge(LIMIT, reason=reason)
