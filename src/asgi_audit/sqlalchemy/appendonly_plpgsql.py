"""The functions that a PostgreSQL database is given: the guard of the triggers, and the two that may pass it.

`audit_erase` and `audit_purge` run as the tables' owner. They take the whole row of an erase or purge record, store it,
and change what it names and nothing else; see `warrant`, which keeps the same rules. The guard lets pass what happens
as the owner while one of them has set `asgi_audit.door`: the setting alone anybody can make, and the owner alone may
slip.

The setting is made in the bodies, not as an attribute of the functions: for that, one had to be a superuser. And in the
search path is only what PostgreSQL itself brings: nobody can put a function or an operator of his own in the way.
"""

from collections.abc import Iterable
from typing import Final

from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS
from asgi_audit.sqlalchemy.warrant import ERASABLE, ERASABLE_KINDS, KEPT_KINDS

GUARD: Final = "audit_append_only"
ERASE: Final = "audit_erase"
PURGE: Final = "audit_purge"
#: The type of what each function takes.
ARGUMENTS: Final = {GUARD: "", ERASE: "json", PURGE: "json"}

_GUARD: Final = """
DECLARE
    door CONSTANT text := current_setting('asgi_audit.door', true);
    is_owner CONSTANT boolean := (SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = TG_RELID);
    erasable CONSTANT text[] := ARRAY[{erasable}];
BEGIN
    IF is_owner AND TG_TABLE_NAME = '{records}' THEN
        IF TG_OP = 'DELETE' AND door = 'purge' THEN
            RETURN OLD;
        ELSIF TG_OP = 'UPDATE' AND door = 'erase' THEN
            -- Whatever is there now was there before, and only what is erasable has gone.
            IF to_jsonb(OLD) - erasable = to_jsonb(NEW) - erasable
                AND to_jsonb(OLD) @> jsonb_strip_nulls(to_jsonb(NEW))
            THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'restrict_violation',
        MESSAGE = TG_TABLE_NAME || ' is append-only: erase and purge with asgi-audit';
END
"""

_DECLARE: Final = """
DECLARE
    said CONSTANT json := (entry->>'detail')::json;
    named CONSTANT json := said->'data';
    changed bigint;"""

_REFUSE: Final = """
    IF entry->>'kind' IS DISTINCT FROM '{kind}'
        OR NOT coalesce(json_typeof(said->'reason') = 'string' AND said->>'reason' <> '', false)
        OR NOT coalesce({names_it}, false)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'not {what_it_is}';
    END IF;"""

_INSERT: Final = """
    INSERT INTO {schema}.{records} SELECT * FROM json_populate_record(NULL::{schema}.{records}, entry);
    PERFORM set_config('asgi_audit.door', '{kind}', true);"""

_RETURN: Final = """
    GET DIAGNOSTICS changed = ROW_COUNT;
    PERFORM set_config('asgi_audit.door', '', true);
    RETURN changed;
END
"""

# S608: what is put in are our own names and the quoted one of a schema.
_ERASE: Final = f"""{_DECLARE}
    parts CONSTANT text[] := ARRAY(SELECT json_array_elements_text(named->'parts'));
BEGIN{_REFUSE}{_INSERT}
    UPDATE {{schema}}.{{records}} SET {{emptied}}
        WHERE id = ANY (ARRAY(SELECT json_array_elements_text(named->'records')::uuid))
        AND kind IN ({{erasable_kinds}}) AND ({{still_there}});{_RETURN}"""  # noqa: S608

_PURGE: Final = f"""{_DECLARE}
    sealed CONSTANT bigint := coalesce((SELECT max(size) FROM {{schema}}.{{checkpoints}}), 0);
BEGIN{_REFUSE}
    IF EXISTS (
        SELECT FROM json_array_elements(named->'ranges') AS span
        WHERE NOT coalesce(
            0 <= (span->>0)::bigint AND (span->>0)::bigint <= (span->>1)::bigint AND (span->>1)::bigint < sealed, false)
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'only what a checkpoint covers is purged';
    END IF;{_INSERT}
    DELETE FROM {{schema}}.{{records}} AS record
        USING {{schema}}.{{leaves}} AS leaf, json_array_elements(named->'ranges') AS span
        WHERE leaf.idx BETWEEN (span->>0)::bigint AND (span->>1)::bigint
        AND record.id = leaf.record_id AND record.kind NOT IN ({{kept_kinds}});{_RETURN}"""  # noqa: S608

_NAMES_AN_ERASURE: Final = """json_typeof(named->'records') = 'array' AND json_typeof(named->'parts') = 'array'
            AND cardinality(parts) > 0 AND parts <@ ARRAY[{parts}]"""
_NAMES_A_PURGE: Final = "json_typeof(named->'ranges') = 'array' AND json_typeof(named->'before') = 'string'"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


def bodies(schema: str) -> dict[str, str]:
    """What stands between the `$$` of each function, by its name; `schema` is quoted."""
    tables = {"schema": schema, "records": RECORDS, "leaves": LEAVES, "checkpoints": CHECKPOINTS}
    columns = [column for each in ERASABLE.values() for column in each]
    return {
        GUARD: _GUARD.format(records=RECORDS, erasable=_listed(columns)),
        ERASE: _ERASE.format(
            kind="erase",
            what_it_is="an erase record with a reason, records and parts",
            names_it=_NAMES_AN_ERASURE.format(parts=_listed(ERASABLE)),
            emptied=", ".join(
                f"{column} = CASE WHEN '{part}' = ANY (parts) THEN NULL ELSE {column} END"
                for part, each in ERASABLE.items()
                for column in each
            ),
            still_there=" OR ".join(
                f"'{part}' = ANY (parts) AND num_nonnulls({', '.join(each)}) > 0" for part, each in ERASABLE.items()
            ),
            erasable_kinds=_listed(ERASABLE_KINDS),
            **tables,
        ),
        PURGE: _PURGE.format(
            kind="purge",
            what_it_is="a purge record with a reason, ranges and before",
            names_it=_NAMES_A_PURGE,
            kept_kinds=_listed(KEPT_KINDS),
            **tables,
        ),
    }
