"""Erasing and purging, which is all that ever changes a row: the same with triggers and functions as without them."""

from datetime import datetime, timedelta, timezone

import pytest

from asgi_audit.integrity.projection import OF_PARTS
from asgi_audit.record import Kind
from asgi_audit.sqlalchemy import AuditStore, door
from tests.sqlalchemy.stocked import content, erase, erase_entry, purge, purge_entry, row_of, stock

pytestmark = pytest.mark.asyncio

append_only = pytest.mark.parametrize("append_only", [False, True], ids=["bare", "append-only"])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@append_only
@pytest.mark.parametrize("parts", [["actor"], ["target", "detail"], ["actor", "target", "detail"]], ids="+".join)
async def test_an_erasure_empties_what_its_entry_names(
    url: str, append_only: bool, parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of these records these parts, their salts and projections; everything else stays as it was, in every table."""
    monkeypatch.setattr(door, "_CHUNK", 2)
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    ids = [each.id for each in stored[2:7]]
    row = erase_entry(ids, parts)
    assert await erase(url, row, ids, parts) == 5
    emptied = [name for part in parts for name in (part, f"{part}_salt", *OF_PARTS[part])]
    after = await content(url)
    for old, new in zip(before["audit_records"], after["audit_records"], strict=False):
        expected = (
            old
            if old[0] not in ids
            else tuple(None if name in emptied else value for name, value in zip(row, old, strict=True))
        )
        assert new == expected
    assert after["audit_records"][-1][0] == row["id"]
    assert len(after.pop("audit_records")) == len(before.pop("audit_records")) + 1
    assert after == before


@append_only
async def test_the_entry_is_stored_as_a_sink_would_store_it(url: str, append_only: bool) -> None:
    """Every column of it, the time in UTC to the microsecond."""
    stored = await stock(url, append_only=append_only)
    time = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=timezone(timedelta(hours=2)))
    row = erase_entry([stored[0].id], ["actor"], time=time)
    await erase(url, row, [stored[0].id], ["actor"])
    found = await row_of(url, row["id"])
    assert found is not None
    if url.startswith("sqlite"):
        assert found["time"] == "2026-11-22T23:02:03.456789Z"
        found["time"] = row["time"]
    assert found == row
    async with AuditStore(url) as store:
        kept = await store.get(row["id"])
        assert kept is not None
        assert kept.kind is Kind.ERASE
        assert kept.time == time


@append_only
async def test_the_trails_own_records_lose_nothing(url: str, append_only: bool) -> None:
    """An erasure passes over losses, erasures, purges, unknown ids, and what is erased already: they don't count."""
    stored = await stock(url, append_only=append_only)
    ids = [stored[0].id, *(each.id for each in stored[10:]), "01a20924-a4b5-7989-8000-000000000000"]
    assert await erase(url, erase_entry(ids, ["actor"]), ids, ["actor"]) == 1
    assert await erase(url, erase_entry(ids, ["actor", "target"]), ids, ["actor", "target"]) == 1
    assert await erase(url, erase_entry(ids, ["actor", "target"]), ids, ["actor", "target"]) == 0
    for each in stored[10:]:
        row = await row_of(url, each.id)
        assert row is not None
        assert row["actor"] is not None


@append_only
async def test_a_purge_deletes_what_its_entry_names(
    url: str, append_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records whose leaves stand in its ranges; losses and erasures in them stay, and so does every leaf."""
    monkeypatch.setattr(door, "_CHUNK", 2)
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    ids = [stored[index].id for index in (0, 1, 2, 7, 8, 9, 10, 11)]
    row = purge_entry((0, 2), (7, 11))
    assert await purge(url, row, ids) == 6
    after = await content(url)
    left = [each for each in before["audit_records"] if each[0] not in ids[:6]]
    assert after["audit_records"][:-1] == left
    assert after.pop("audit_records")[-1][0] == row["id"]
    del before["audit_records"]
    assert after == before
