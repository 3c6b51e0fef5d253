"""The roles of the operations page, as its script makes them: each may do what its table says, and nothing else."""

import asyncio
from collections.abc import Iterator

import asyncpg
import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from asgi_audit.integrity.projection import utc_text
from asgi_audit.sqlalchemy import AuditStore, Sealer, SQLAlchemySink
from asgi_audit.sqlalchemy.appendonly import install, installed
from tests.postgres import execute
from tests.samples import records
from tests.sqlalchemy.roles import ROLES, Cast, rights
from tests.sqlalchemy.stocked import TABLES, content, erase, erase_entry, prepare, purge, purge_entry, run, stock

pytestmark = pytest.mark.asyncio

#: What is tried on each table; of these, SELECT and INSERT alone are ever granted.
STATEMENTS = {
    "SELECT": "SELECT FROM {table}",
    "INSERT": "INSERT INTO {table} {row}",
    "UPDATE": "UPDATE {table} SET {column} = DEFAULT",
    "DELETE": "DELETE FROM {table}",
    "TRUNCATE": "TRUNCATE {table}",
    "SELECT FOR UPDATE": "SELECT FROM {table} FOR UPDATE",
    "LOCK": "LOCK TABLE {table} IN SHARE MODE",
    "ALTER": "ALTER TABLE {table} ADD COLUMN more integer",
    "OWNER": "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "DROP": "DROP TABLE {table}",
    "CREATE INDEX": "CREATE INDEX ON {table} ({column})",
    "CREATE TRIGGER": "CREATE TRIGGER own BEFORE UPDATE ON {table} FOR EACH ROW "
    "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "DISABLE TRIGGER": "ALTER TABLE {table} DISABLE TRIGGER append_only_rows",
    "DROP TRIGGER": "DROP TRIGGER append_only_rows ON {table}",
    "CREATE RULE": "CREATE RULE own AS ON DELETE TO {table} DO INSTEAD NOTHING",
}
COLUMNS = {"audit_records": "kind", "audit_leaves": "hash", "audit_checkpoints": "note", "audit_schema": "version"}
ROWS = {
    "audit_records": "(id, time, writer, seq, kind, action, core) "
    "VALUES (gen_random_uuid(), now(), 'w', 0, 'event', 'a', '{}')",
    "audit_leaves": "VALUES (12, gen_random_uuid(), '')",
    "audit_checkpoints": "VALUES (13, '', 'n', '', now())",
    "audit_schema": "VALUES (99)",
}


@pytest.fixture
def cast(postgres_url: str) -> Iterator[Cast]:
    """A stocked database with its triggers, and the roles."""
    made = Cast(postgres_url)
    asyncio.run(stock(postgres_url))
    asyncio.run(made.enter())
    yield made
    asyncio.run(made.leave())


async def may(connection: "asyncpg.Connection[asyncpg.Record]", statement: str, *arguments: object) -> bool:
    """Whether it is done; nothing of it is left. Anything but a lack of rights is a failure of the test."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement, *arguments)
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await transaction.rollback()
    return True


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_may_do_what_the_page_says(cast: Cast, role: str) -> None:
    """Everything that can be done to a table, on each table, and each function."""
    connection = await asyncpg.connect(cast.url_of(role))
    done = {
        (what, table)
        for table in TABLES
        for what, statement in STATEMENTS.items()
        if await may(connection, statement.format(table=table, column=COLUMNS[table], row=ROWS[table]))
    }
    entries = {"audit_erase": erase_entry([], ["actor"]), "audit_purge": purge_entry((0, 0))}
    for function, row in entries.items():
        text = msgspec.json.encode(row | {"time": utc_text(row["time"])}).decode()
        if await may(connection, f"SELECT {function}($1)", text):
            done.add(("EXECUTE", function))
    assert not await may(connection, "SELECT audit_append_only()")
    assert not await may(connection, "CREATE TABLE public.more ()")
    await connection.close()
    assert set(rights()) == set(ROLES)
    assert done == rights()[role]


async def test_the_owner_is_nobody_and_is_stopped_by_the_triggers(cast: Cast) -> None:
    """It can't log in, and what it does by mistake is refused."""
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="not permitted to log in"):
        await asyncpg.connect(cast.url_of("audit_owner"))
    before = await content(cast.url)
    for table in TABLES:
        for what in ("UPDATE", "DELETE", "TRUNCATE"):
            statement = STATEMENTS[what].format(table=table, column=COLUMNS[table])
            with pytest.raises(asyncpg.RestrictViolationError):
                await execute(cast.url, f"SET ROLE {cast.name('audit_owner')}", statement)
    assert await content(cast.url) == before


async def test_each_role_can_do_its_work(cast: Cast) -> None:
    """The application writes, also what it has written before; the sealer seals, the reader reads, the admin erases and
    purges.
    """
    batch = records(5)
    sink = SQLAlchemySink(cast.url_of("audit_app"), create=False)
    await sink.open()
    await sink.write(batch[:3])
    await sink.write(batch)
    await sink.close()
    async with AuditStore(cast.url_of("audit_reader")) as store:
        assert await store.count() == 18
        kept = await store.get(batch[0].id)
        assert kept is not None
    admin = cast.url_of("audit_admin")
    ids = [batch[0].id]
    assert await erase(admin, erase_entry(ids, ["actor"]), ids, ["actor"]) == 1
    assert await purge(admin, purge_entry((0, 3)), [row[1] for row in (await content(cast.url))["audit_leaves"]]) == 4


async def test_the_sealer_can_seal(postgres_url: str) -> None:
    """With the rights that the page gives it."""
    await prepare(postgres_url)
    cast = Cast(postgres_url)
    await cast.enter()
    try:
        sink = SQLAlchemySink(cast.url_of("audit_app"), create=False)
        await sink.open()
        await sink.write(records(5))
        await sink.close()
        await Sealer(cast.url_of("audit_sealer")).seal()
        found = await content(postgres_url)
        assert len(found["audit_leaves"]) == 5
        assert len(found["audit_checkpoints"]) == 1
    finally:
        await cast.leave()


@pytest.mark.parametrize("role", ["audit_app", "audit_sealer", "audit_reader"])
async def test_who_has_no_right_to_the_door_stays_outside(cast: Cast, role: str) -> None:
    """The door's own statements would need rights that nobody has."""
    before = await content(cast.url)
    ids = [before["audit_records"][0][0]]
    with pytest.raises(DBAPIError, match="permission denied"):
        await erase(cast.url_of(role), erase_entry(ids, ["actor"]), ids, ["actor"])
    assert await content(cast.url) == before


async def test_a_superuser_installs_for_the_owner(cast: Cast) -> None:
    """What an upgrade makes anew is the owner's, not his who has run it; the admin keeps his rights on the rest."""
    disable = "ALTER TABLE audit_records DISABLE TRIGGER append_only_rows"
    await execute(cast.url, disable, "ALTER FUNCTION audit_erase RESET ALL", "DROP FUNCTION audit_purge")
    assert await run(cast.url, installed, install, installed) == [False, True, True]
    ids = [(await content(cast.url))["audit_records"][0][0]]
    assert await erase(cast.url_of("audit_admin"), erase_entry(ids, ["actor"]), ids, ["actor"]) == 1
    with pytest.raises(DBAPIError, match="permission denied for function audit_purge"):
        await purge(cast.url_of("audit_admin"), purge_entry((0, 0)), ids)


async def test_an_owner_who_is_no_superuser_can_install(postgres_url: str) -> None:
    """One role for everything, as at most hosts: it makes tables and triggers, writes, erases and purges."""
    cast = Cast(postgres_url)
    name = cast.name("audit_admin")
    await execute(postgres_url, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'", f"GRANT ALL ON SCHEMA public TO {name}")
    try:
        url = cast.url_of("audit_admin")
        stored = await stock(url)
        ids = [each.id for each in stored[:3]]
        assert await erase(url, erase_entry(ids, ["actor"]), ids, ["actor"]) == 3
        assert await purge(url, purge_entry((1, 2)), ids) == 2
    finally:
        await execute(postgres_url, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")
