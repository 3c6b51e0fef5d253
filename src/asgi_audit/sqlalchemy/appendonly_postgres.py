"""PostgreSQL's append-only triggers; they fire in every session, also in one that replays what others have done.

What they let pass, and for whom, `appendonly_plpgsql` says.
"""

from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from asgi_audit.sqlalchemy.appendonly_plpgsql import ARGUMENTS, GUARD, bodies
from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS, VERSIONS

_TABLES: Final = (RECORDS, LEAVES, CHECKPOINTS, VERSIONS)
_ROWS: Final = "append_only_rows"
_TRUNCATE: Final = "append_only_truncate"
#: What a trigger watches, and how PostgreSQL notes that: the bits of `pg_trigger.tgtype`.
_EVENTS: Final = {
    _ROWS: ("UPDATE OR DELETE ON {} FOR EACH ROW", 1 + 2 + 8 + 16),
    _TRUNCATE: ("TRUNCATE ON {} FOR EACH STATEMENT", 2 + 32),
}
_PATH: Final = "pg_catalog, pg_temp"

_PLACE: Final = f"""
SELECT relnamespace, nspname, relowner, pg_get_userbyid(relowner)
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass('{RECORDS}')
"""  # noqa: S608 - constants, here and below
_FUNCTIONS: Final = """
SELECT proname, oidvectortypes(proargtypes), proowner, prosrc, prosecdef,
    has_function_privilege('public', oid, 'EXECUTE'), array_to_string(proconfig, ' ')
FROM pg_proc WHERE pronamespace = {}
"""
_TRIGGERS: Final = """
SELECT relname, tgname, tgtype::int, tgenabled::text, proname, relowner
FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE relnamespace = {0} AND pronamespace = {0} AND tgqual IS NULL AND tgattr = ''
"""


class Place(NamedTuple):
    """The schema in which the tables are, and their owner; names as they are quoted in a statement."""

    schema_id: int
    schema: str
    owner_id: int
    owner: str


def place(connection: sa.Connection) -> Place:
    """Where the tables are that a statement without a schema finds."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    schema_id, schema, owner_id, owner = connection.exec_driver_sql(_PLACE).one()
    return Place(schema_id, quote(schema), owner_id, quote(owner))


def functions(connection: sa.Connection) -> set[str]:
    """The functions of ours that are there."""
    return {name for name, *_ in _functions(connection, place(connection))}


def statements(connection: sa.Connection) -> list[str]:
    """What makes the tables append-only, whatever was there before."""
    here = place(connection)
    made = [f"DROP TRIGGER IF EXISTS {name} ON {here.schema}.{table}" for table in _TABLES for name in _EVENTS]
    # Somebody else's, replaced, would stay his, and open to whomever he let in.
    foreign = [name for name, _, owner, *_ in _functions(connection, here) if owner != here.owner_id]
    made += [f"DROP FUNCTION {here.schema}.{name}({ARGUMENTS[name]})" for name in foreign]
    for name, body in bodies(here.schema).items():
        function = f"{here.schema}.{name}({ARGUMENTS[name]})"
        form = "() RETURNS trigger" if name == GUARD else "(entry json) RETURNS bigint SECURITY DEFINER"
        made += [
            f"CREATE OR REPLACE FUNCTION {here.schema}.{name}{form} "
            f"LANGUAGE plpgsql SET search_path = {_PATH} AS $${body}$$",
            f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
            f"ALTER FUNCTION {function} OWNER TO {here.owner}",
        ]
    for table in _TABLES:
        watched = f"{here.schema}.{table}"
        for name, (events, _) in _EVENTS.items():
            made += [
                f"CREATE TRIGGER {name} BEFORE {events.format(watched)} EXECUTE FUNCTION {here.schema}.{GUARD}()",
                f"ALTER TABLE {watched} ENABLE ALWAYS TRIGGER {name}",
            ]
    return made


def installed(connection: sa.Connection) -> bool:
    """Whether all of it is there as it is made here, and belongs to the tables' owner."""
    here = place(connection)
    made = bodies(here.schema)
    functions: set[tuple[object, ...]] = {
        (name, ARGUMENTS[name], here.owner_id, body, name != GUARD, False, f"search_path={_PATH}")
        for name, body in made.items()
    }
    triggers: set[tuple[object, ...]] = {
        (table, name, bits, "A", GUARD, here.owner_id) for table in _TABLES for name, (_, bits) in _EVENTS.items()
    }
    found = connection.exec_driver_sql(_TRIGGERS.format(here.schema_id))
    return functions == set(_functions(connection, here)) and triggers <= {tuple(row) for row in found}


def _functions(connection: sa.Connection, here: Place) -> list[tuple[Any, ...]]:
    found = connection.exec_driver_sql(_FUNCTIONS.format(here.schema_id))
    return [tuple(row) for row in found if ARGUMENTS.get(row[0]) == row[1]]
