"""What the door refuses, and what is left when it fails: nothing changed, and a closed door."""

from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy.door import Door
from asgi_audit.sqlalchemy.warrant import EntryError
from tests.sqlalchemy.stocked import content, engine, erase, erase_entry, purge, purge_entry, stock

pytestmark = pytest.mark.asyncio

append_only = pytest.mark.parametrize("append_only", [False, True], ids=["bare", "append-only"])


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


@append_only
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "http"},
        {"kind": "purge"},
        {"detail": b'{"data":{"parts":["actor"],"records":["ID"]}}'},
        {"detail": b'{"data":{"parts":["actor"],"records":["ID"]},"reason":""}'},
        {"detail": b'{"data":{"parts":["core"],"records":["ID"]},"reason":"x"}'},
        {"detail": b'{"data":{"parts":[],"records":["ID"]},"reason":"x"}'},
        {"detail": b'{"data":{"parts":["actor"]},"reason":"x"}'},
        {"detail": b'{"reason":"x"}'},
        {"detail": b'"x"'},
        {"detail": b"no JSON"},
    ],
    ids=str,
)
async def test_nothing_is_erased_without_an_entry_that_says_so(
    url: str, append_only: bool, change: dict[str, Any]
) -> None:
    """Another kind, no reason, no or unknown parts, no records: refused, by the door and by the function."""
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    id_ = stored[0].id
    changed = {name: value.decode().replace("ID", id_) if name == "detail" else value for name, value in change.items()}
    row = erase_entry([id_], ["actor"]) | changed
    with pytest.raises(EntryError):
        await erase(url, row, [id_], ["actor"])
    if append_only and not url.startswith("sqlite"):
        with pytest.raises((asyncpg.InvalidParameterValueError, asyncpg.InvalidTextRepresentationError)):
            await _call(url, "audit_erase", row)
    assert await content(url) == before


@append_only
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "erase"},
        {"detail": '{"data":{"before":"x","ranges":[[0,1,""]]}}'},
        {"detail": '{"data":{"ranges":[[0,1,""]]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x","ranges":[[1,0,""]]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x","ranges":[[-1,0,""]]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x","ranges":[[0,1,""],[3,12,""]]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x","ranges":[[0]]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x","ranges":["0"]},"reason":"x"}'},
        {"detail": '{"data":{"before":"x"},"reason":"x"}'},
    ],
    ids=str,
)
async def test_nothing_is_purged_without_an_entry_that_says_so(
    url: str, append_only: bool, change: dict[str, Any]
) -> None:
    """Another kind, no reason, no date, no ranges, or one that no checkpoint covers: refused, nothing is changed."""
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    row = purge_entry((0, 1)) | change
    with pytest.raises(EntryError):
        await purge(url, row, [each.id for each in stored])
    if append_only and not url.startswith("sqlite"):
        with pytest.raises((asyncpg.InvalidParameterValueError, asyncpg.InvalidTextRepresentationError)):
            await _call(url, "audit_purge", row)
    assert await content(url) == before


async def _call(url: str, function: str, row: dict[str, Any]) -> None:
    connection = await asyncpg.connect(url)
    try:
        text = msgspec.json.encode(row | {"time": utc_text(row["time"])}).decode()
        await connection.execute(f"SELECT {function}($1)", text)
    finally:
        await connection.close()


@append_only
async def test_an_entry_must_name_what_is_asked_for(url: str, append_only: bool) -> None:
    """Neither more nor less is erased than the entry names; and nothing is purged that the caller did not list."""
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    ids = [each.id for each in stored[:3]]
    for row, asked, parts in (
        (erase_entry(ids, ["actor"]), ids[:2], ["actor"]),
        (erase_entry(ids[:2], ["actor"]), ids, ["actor"]),
        (erase_entry(ids, ["actor"]), ids, ["actor", "target"]),
        (erase_entry(ids, ["actor", "target"]), ids, ["actor"]),
    ):
        with pytest.raises(EntryError, match="names other"):
            await erase(url, row, asked, parts)
    with pytest.raises(EntryError, match="names other"):
        await purge(url, purge_entry((0, 2)), ids[:2])
    assert await content(url) == before


@append_only
async def test_an_entry_serves_once(url: str, append_only: bool) -> None:
    """With one that is stored already, or whose sequence number is taken, nothing can be erased."""
    stored = await stock(url, append_only=append_only)
    ids = [each.id for each in stored[:3]]
    row = erase_entry(ids[:1], ["actor"])
    await erase(url, row, ids[:1], ["actor"])
    before = await content(url)
    again = erase_entry(ids[1:], ["actor"])
    for changed in ({"id": row["id"]}, {"writer": row["writer"], "seq": row["seq"]}):
        with pytest.raises((EntryError, IntegrityError)):
            await erase(url, again | changed, ids[1:], ["actor"])
        assert await content(url) == before


@append_only
async def test_a_door_that_fails_halfway_has_changed_nothing(url: str, append_only: bool) -> None:
    """Not even the entry is left, though the caller goes on and commits; and the next one goes through."""
    ids = [each.id for each in await stock(url, append_only=append_only)][:3]
    before = await content(url)
    made = engine(url)
    async with made.connect() as connection:
        door = await Door.of(connection)
        # Somebody's own trigger lets two rows pass and the third not.
        condition = f"OLD.id = '{ids[2]}'"
        if made.dialect.name == "sqlite":
            await connection.exec_driver_sql(
                f"CREATE TRIGGER own BEFORE DELETE ON audit_records WHEN {condition} "
                "BEGIN SELECT RAISE(ABORT, 'own'); END"
            )
        else:
            function = "CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS "
            await connection.exec_driver_sql(function + "$$ BEGIN RAISE EXCEPTION 'own'; END $$")
            await connection.exec_driver_sql(
                f"CREATE TRIGGER own BEFORE DELETE ON audit_records FOR EACH ROW WHEN ({condition}) "
                "EXECUTE FUNCTION own()"
            )
        await connection.commit()
        with pytest.raises(DBAPIError, match="own"):
            await door.purge(purge_entry((0, 2)), ids)
        assert (await connection.exec_driver_sql("SELECT 1")).scalar() == 1
        await connection.commit()
        assert await content(url) == before
        if append_only:
            with pytest.raises(DBAPIError, match="audit_records is append-only"):
                await connection.exec_driver_sql(f"DELETE FROM audit_records WHERE id = '{ids[0]}'")
            await connection.rollback()
        assert await door.purge(purge_entry((0, 1)), ids[:2]) == 2
        await connection.commit()
    await made.dispose()
    assert len((await content(url))["audit_records"]) == len(before["audit_records"]) - 1


@append_only
async def test_the_callers_transaction_decides(url: str, append_only: bool) -> None:
    """What the door has done is undone with everything else when the caller rolls back."""
    stored = await stock(url, append_only=append_only)
    before = await content(url)
    ids = [each.id for each in stored[:3]]
    made = engine(url)
    async with made.connect() as connection:
        door = await Door.of(connection)
        assert await door.erase(erase_entry(ids, ["actor"]), ids, ["actor"]) == 3
        assert await door.purge(purge_entry((1, 2)), ids) == 2
        await connection.rollback()
    await made.dispose()
    assert await content(url) == before


@pytest.mark.parametrize("change", ["UPDATE audit_records SET actor = NULL", "DELETE FROM audit_records"])
async def test_the_door_closes_behind_itself(url: str, change: str) -> None:
    """In the same transaction, on the same connection, the next statement is refused as ever."""
    ids = [each.id for each in await stock(url)][:1]
    made = engine(url)
    async with made.connect() as connection:
        assert await (await Door.of(connection)).erase(erase_entry(ids, ["target"]), ids, ["target"]) == 1
        with pytest.raises(IntegrityError, match="audit_records is append-only"):
            await connection.exec_driver_sql(change)
        await connection.rollback()
    await made.dispose()
