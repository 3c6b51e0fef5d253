"""What PostgreSQL alone can make of our tables."""

from typing import Final

from asgi_audit.sqlalchemy.schema import CHECKPOINTS, LEAVES, RECORDS
from tests.sealed.shapes import DIGITS, Shape

_SERIES: Final = "generate_series(0, 9223372036854775806)"

POSTGRESQL: Final = [
    Shape(
        "a view that was worked out beforehand",
        [
            f"ALTER TABLE {LEAVES} RENAME TO others",
            f"CREATE MATERIALIZED VIEW {LEAVES} AS SELECT * FROM others",
        ],
        "table",
        "is no plain table",
    ),
    Shape(
        "a view that sleeps",
        [
            f"ALTER TABLE {LEAVES} RENAME TO others",
            f"CREATE VIEW {LEAVES} AS SELECT * FROM others WHERE pg_sleep(1000) IS NOT NULL",
        ],
        "table",
        "is no plain table",
    ),
    Shape(
        "leaves that are counted, not stored",
        [
            f"DROP TABLE {LEAVES}",
            f"CREATE VIEW {LEAVES} AS SELECT idx, gen_random_uuid() AS record_id, ''::bytea AS hash FROM {_SERIES} idx",
        ],
        "table",
        "is no plain table",
    ),
    Shape(
        "indexes that are texts",
        [f"ALTER TABLE {LEAVES} ALTER COLUMN idx TYPE text"],
        "index",
        "has the index no number",
    ),
    Shape(
        "an index of 400 digits",
        [
            f"ALTER TABLE {LEAVES} ALTER COLUMN idx TYPE numeric",
            f"UPDATE {LEAVES} SET idx = {DIGITS} WHERE idx = 60",
        ],
        "index",
        "has the index no number",
    ),
    Shape("ids that are texts", [f"ALTER TABLE {RECORDS} ALTER COLUMN id TYPE text"], "table", "can't be read: "),
    Shape(
        "ids of leaves that are texts",
        [f"ALTER TABLE {LEAVES} ALTER COLUMN record_id TYPE text"],
        "table",
        "can't be read: ",
    ),
    Shape(
        "cores that are bytes",
        [f"ALTER TABLE {RECORDS} ALTER COLUMN core TYPE bytea USING convert_to(core, 'UTF8')"],
        "malformed",
        "the core is no text",
    ),
    Shape(
        "parts that are JSON",
        [f"ALTER TABLE {RECORDS} ALTER COLUMN detail TYPE jsonb USING detail::jsonb"],
        "part",
        "the part detail and its salt are not both there",
    ),
    Shape(
        "numbers that are texts",
        [f"ALTER TABLE {RECORDS} ALTER COLUMN seq TYPE text"],
        "column",
        "the column seq is not what the core says",
    ),
    Shape(
        "a number that is none",
        [
            f"ALTER TABLE {RECORDS} ALTER COLUMN duration_us TYPE numeric",
            f"UPDATE {RECORDS} SET duration_us = 'NaN'",
        ],
        "column",
        "the column duration_us is not what the core says",
    ),
    *(
        Shape(
            f"the time {time}",
            [f"UPDATE {RECORDS} SET time = '{time}' WHERE id = (SELECT max(id::text)::uuid FROM {RECORDS})"],
            kind,
            said,
        )
        for time, kind, said in [
            ("infinity", "column", "the column time is not what the core says"),
            ("-infinity", "column", "the column time is not what the core says"),
            ("294276-12-31", "table", "audit_records can't be read: "),
            ("4713-01-01 BC", "table", "audit_records can't be read: "),
        ]
    ),
    Shape(
        "times of checkpoints",
        [f"UPDATE {CHECKPOINTS} SET time = '294276-12-31'"],
        "table",
        "audit_checkpoints can't be read: ",
    ),
    Shape(
        "hashes that are texts",
        [f"ALTER TABLE {LEAVES} ALTER COLUMN hash TYPE text USING encode(hash, 'hex')"],
        "index",
        "the leaf 0 is no hash",
    ),
    Shape(
        "rows of another table",
        [f"CREATE TABLE more () INHERITS ({LEAVES})", f"INSERT INTO more SELECT * FROM {LEAVES} WHERE idx = 30"],
        "index",
        "there are two leaves with the index 30",
    ),
]
