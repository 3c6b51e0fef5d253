"""Taking the proof of one record out of a database."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from asgi_audit.integrity.proof import Proof
from asgi_audit.record import Record
from asgi_audit.sqlalchemy.alteration import EvidenceAltered
from asgi_audit.sqlalchemy.proving import NoProof, prove
from asgi_audit.sqlalchemy.tree import BrokenTree
from tests.sealed.log import BEGINNING, Log, Writer
from tests.sealed.tables import change

pytestmark = pytest.mark.asyncio


async def written(log: Log, writer: Writer, count: int) -> list[Record]:
    """Records that were written and sealed."""
    made = [writer.record(BEGINNING + timedelta(seconds=writer.seq)) for _ in range(count)]
    await log.write(made)
    await log.seal()
    return made


async def test_every_record_can_be_proved(log: Log, writer: Writer) -> None:
    """Wherever it stands, in trees of any shape, to whoever has the public key; the proof outlives the growth."""
    given: list[tuple[Record, Proof]] = []
    records: list[Record] = []
    for count in (1, 1, 3, 2):
        records += await written(log, writer, count)
        given += [(each, await prove(log.url, each.id)) for each in records]
    for record, proof in given:
        checked = Proof.parse(proof.encode()).check(log.pinned)
        facts = ("id", "time", "actor", "targets", "source", "request", "outcome", "tenant", "seq")
        assert [getattr(checked.record, fact) for fact in facts] == [getattr(record, fact) for fact in facts]
        assert checked.hidden == []


async def test_only_the_parts_that_were_asked_for_are_shown(log: Log, writer: Writer) -> None:
    """Of those, only what is not erased."""
    (record,) = await written(log, writer, 1)
    proof = await prove(log.url, record.id, shown=["target"])
    assert list(proof.parts) == ["target"]
    checked = proof.check(log.pinned)
    assert checked.hidden == ["actor", "detail"]
    assert (checked.record.actor, checked.record.targets) == (None, record.targets)
    await log.erase([record.id], "target")
    assert (await prove(log.url, record.id, shown=["target"])).parts == {}


async def test_a_user_s_engine_will_do(sqlite_url: str, writer: Writer, tmp_path: object, log: Log) -> None:
    """It is not closed."""
    (record,) = await written(log, writer, 1)
    engine = create_async_engine(log.url.replace("sqlite:", "sqlite+aiosqlite:").replace("ql:", "ql+asyncpg:"))
    assert (await prove(engine, record.id)).check(log.pinned).record.id == record.id
    async with engine.connect():
        pass
    await engine.dispose()


async def test_what_is_not_sealed_and_signed_has_no_proof(log: Log, writer: Writer) -> None:
    """Nor what is not there."""
    sealed = await written(log, writer, 2)
    record = writer.record(BEGINNING)
    with pytest.raises(NoProof, match=f"there is no record {record.id}"):
        await prove(log.url, record.id)
    await log.write([record])
    with pytest.raises(NoProof, match="the record is not sealed yet"):
        await prove(log.url, record.id)
    await log.seal()
    await change(log.url, "DELETE FROM audit_checkpoints WHERE size = 3")
    with pytest.raises(NoProof, match="the record is not sealed yet"):
        await prove(log.url, record.id)
    assert (await prove(log.url, sealed[0].id)).check(log.pinned).checkpoint.size == 2
    await change(log.url, "DELETE FROM audit_checkpoints")
    with pytest.raises(NoProof, match="the record is not sealed yet"):
        await prove(log.url, sealed[0].id)


async def test_what_was_changed_is_not_proved(log: Log, writer: Writer) -> None:
    """Neither a record nor a leaf beside it: such a proof would not hold."""
    records = await written(log, writer, 5)
    await change(log.url, "UPDATE audit_records SET core = replace(core, 'success', 'failed') WHERE seq = 0")
    with pytest.raises(EvidenceAltered, match=f"stopped at record {records[0].id}: the core is not what was sealed"):
        await prove(log.url, records[0].id)
    assert (await prove(log.url, records[1].id)).check(log.pinned).record.id == records[1].id
    await change(log.url, "UPDATE audit_leaves SET hash = (SELECT hash FROM audit_leaves WHERE idx = 4) WHERE idx = 3")
    with pytest.raises(EvidenceAltered, match="the tree is not the one that was sealed"):
        await prove(log.url, records[1].id)
    await change(log.url, "DELETE FROM audit_leaves WHERE idx = 3")
    with pytest.raises(BrokenTree, match="the leaf 3 is missing"):
        await prove(log.url, records[1].id)
