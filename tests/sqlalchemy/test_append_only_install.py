"""How the triggers are installed, and how it is found out that they are not."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from asgi_audit.errors import ConfigurationError
from asgi_audit.sqlalchemy import upgrade_database
from asgi_audit.sqlalchemy.appendonly import install, installed
from tests.postgres import execute
from tests.sqlalchemy.stocked import engine, prepare, run


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    found: str = request.getfixturevalue(f"{request.param}_url")
    return found


_ALWAYS = (
    "FOR EACH ROW EXECUTE FUNCTION audit_append_only(); "
    "ALTER TABLE audit_records ENABLE ALWAYS TRIGGER append_only_rows"
)
_NEVER = _ALWAYS.replace("EXECUTE", "WHEN (false) EXECUTE")


@pytest.mark.asyncio
async def test_installing_twice_changes_nothing(url: str) -> None:
    """The second time there is nothing to do; and without tables there is nothing to protect."""
    with pytest.raises(ConfigurationError, match="no audit tables"):
        await run(url, install)
    assert await run(url, installed) == [False]
    await upgrade_database(url)
    assert await run(url, installed, install, installed, install) == [False, True, True, False]
    assert await run(url, installed, install) == [True, False]
    assert await upgrade_database(url) == (1, 1)


@pytest.mark.asyncio
async def test_installing_joins_the_callers_transaction(url: str) -> None:
    """When he rolls back, nothing is left of it."""
    await upgrade_database(url)
    made = engine(url)
    async with made.connect() as connection:
        assert await connection.run_sync(install)
        await connection.rollback()
    await made.dispose()
    assert await run(url, installed) == [False]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER append_only_rows ON audit_leaves",
        "ALTER TABLE audit_records DISABLE TRIGGER append_only_truncate",
        "ALTER TABLE audit_records ENABLE TRIGGER append_only_rows",
        "ALTER TABLE audit_records ENABLE REPLICA TRIGGER append_only_rows",
        f"CREATE OR REPLACE TRIGGER append_only_rows BEFORE UPDATE OF id OR DELETE ON audit_records {_ALWAYS}",
        f"CREATE OR REPLACE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON audit_records {_NEVER}",
        "DROP FUNCTION audit_erase",
        "GRANT EXECUTE ON FUNCTION audit_purge TO PUBLIC",
        "ALTER FUNCTION audit_purge SECURITY INVOKER",
        "ALTER FUNCTION audit_append_only RESET ALL",
        "ALTER FUNCTION audit_purge OWNER TO pg_monitor",
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    ],
)
async def test_what_somebody_has_weakened_is_found_and_repaired(postgres_url: str, change: str) -> None:
    """Triggers that are missing, disabled or not ours, functions that are open to others: not installed."""
    await prepare(postgres_url)
    await execute(postgres_url, change)
    assert await run(postgres_url, installed, install, installed) == [False, True, True]


@pytest.mark.asyncio
async def test_a_function_that_somebody_else_has_put_there_is_made_anew(postgres_url: str) -> None:
    """Replaced, it would stay open to those whom he let in."""
    await upgrade_database(postgres_url)
    await execute(
        postgres_url,
        "CREATE FUNCTION audit_erase(entry json) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
        "ALTER FUNCTION audit_erase OWNER TO pg_monitor",
        "GRANT EXECUTE ON FUNCTION audit_erase TO pg_read_all_stats",
    )
    assert await run(postgres_url, install, installed) == [True, True]
    granted = sa.text("SELECT has_function_privilege('pg_read_all_stats', 'audit_erase(json)', 'EXECUTE')")
    assert await run(postgres_url, lambda connection: connection.scalar(granted)) == [False]


@pytest.mark.asyncio
async def test_a_trigger_that_somebody_has_taken_away_is_found(sqlite_url: str) -> None:
    """One that is missing, or another one of its name."""
    await prepare(sqlite_url)
    for statement in (
        "DROP TRIGGER audit_records_insert",
        "CREATE TRIGGER audit_records_insert BEFORE INSERT ON audit_records BEGIN SELECT 1; END",
    ):
        with closing(sqlite3.connect(Path(sqlite_url.removeprefix("sqlite:///")))) as connection:
            connection.execute(statement)
        assert await run(sqlite_url, installed) == [False]
    assert await run(sqlite_url, install, installed) == [True, True]


def test_other_databases_have_no_triggers_of_ours() -> None:
    """They are refused by name."""
    with sa.create_engine("sqlite://").connect() as connection:
        connection.dialect.name = "mysql"
        assert not installed(connection)
        with pytest.raises(ConfigurationError, match="append_only='mysql'"):
            install(connection)
