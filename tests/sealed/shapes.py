"""What may stand in the place of our tables: statements, and what a verifier says to what they make."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from asgi_audit.sqlalchemy.schema import CHECKPOINTS, COLUMNS, LEAVES, RECORDS, checkpoints, leaves

_FOREVER: Final = "WITH RECURSIVE c (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c) SELECT {columns} FROM c"
DIGITS: Final = "1" + 400 * "0"
_NAMES: Final = {
    RECORDS: COLUMNS,
    LEAVES: tuple(leaves.columns.keys()),
    CHECKPOINTS: tuple(checkpoints.columns.keys()),
    "audit_schema": ("version",),
}


class Shape(NamedTuple):
    """`kind` is that of a finding, and `said` is in it; without a kind there is an error, and no report."""

    name: str
    statements: Sequence[str]
    kind: str | None
    said: str

    def __str__(self) -> str:
        return self.name


def _endless(table: str) -> str:
    return f"CREATE VIEW {table} AS {_FOREVER.format(columns=', '.join(f'i AS {name}' for name in _NAMES[table]))}"


def _again(table: str, definition: str, values: str = "*") -> list[str]:
    """The table with the same rows, but made otherwise."""
    return [
        f"CREATE TABLE another ({definition})",
        f"INSERT INTO another SELECT {values} FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE another RENAME TO {table}",
    ]


#: What both kinds of databases can be made into.
ANYWHERE: Final = [
    *(
        Shape(f"{table} is missing", [f"DROP TABLE {table}"], "table", f"{table} can't be read: ")
        for table in (RECORDS, LEAVES, CHECKPOINTS)
    ),
    Shape(
        "all are missing", [f"DROP TABLE {each}" for each in (RECORDS, LEAVES, CHECKPOINTS)], "table", "can't be rea"
    ),
    Shape("no version", ["DROP TABLE audit_schema"], None, "SchemaError: the database has no audit tables"),
    Shape("a newer version", ["INSERT INTO audit_schema VALUES (9)"], None, "SchemaError: the audit tables have versi"),
    *(
        Shape(f"{table} goes on for ever", [f"DROP TABLE {table}", _endless(table)], "table", "is no plain table")
        for table in _NAMES
    ),
    Shape("a column is missing", [f"ALTER TABLE {RECORDS} DROP COLUMN detail"], "table", "can't be read: "),
    Shape("a column has another name", [f"ALTER TABLE {LEAVES} RENAME COLUMN hash TO h"], "table", "can't be read: "),
    Shape("all leaves are missing", [f"DELETE FROM {LEAVES}"], "anchor", "and there are only 0"),
    Shape("all records are missing", [f"DELETE FROM {RECORDS}"], "removed", "no sound record of a purge says so"),
    Shape("all checkpoints are missing", [f"DELETE FROM {CHECKPOINTS}"], "checkpoint", "that the database lacks"),
    Shape(
        "a leaf far away",
        [f"UPDATE {LEAVES} SET idx = 1000000000 WHERE idx = 50"],
        "index",
        "the leaf 50 is missing: the next one has the index 51",
    ),
    Shape(
        "a leaf at the end of all numbers",
        [f"UPDATE {LEAVES} SET idx = 9223372036854775807 WHERE idx = (SELECT max(idx) FROM {LEAVES})"],
        "index",
        "the next one has the index 9223372036854775807",
    ),
    Shape("a leaf before the first", [f"UPDATE {LEAVES} SET idx = -1 WHERE idx = 7"], "index", "has the index -1"),
    *(
        Shape(
            f"a checkpoint of {size} records",
            [f"UPDATE {CHECKPOINTS} SET size = {size} WHERE size = (SELECT max(size) FROM {CHECKPOINTS})"],
            "checkpoint",
            f"is kept as one of {size}",
        )
        for size in (10**9, 10**18, 2**63 - 1, 0, -5)
    ),
]

#: What only SQLite can be made into.
SQLITE: Final = [
    *(
        Shape(
            f"the version {version}",
            [*_again("audit_schema", "version"), f"INSERT INTO audit_schema VALUES ({version})"],
            None,
            "SchemaError: ",
        )
        for version in ("'x'", "x'ff'", "9e99", "CAST(x'ff' AS TEXT)")
    ),
    Shape(
        "leaves that are searched for, not stored",
        [f"DROP TABLE {LEAVES}", f"CREATE VIRTUAL TABLE {LEAVES} USING fts5 (idx, record_id, hash)"],
        "table",
        "is no plain table",
    ),
    Shape(
        "a column that is computed",
        [
            f"ALTER TABLE {LEAVES} RENAME COLUMN hash TO stored",
            f"ALTER TABLE {LEAVES} ADD COLUMN hash BLOB AS (replace(stored, 'a', zeroblob(1000000)))",
        ],
        "table",
        "is no plain table",
    ),
    Shape(
        "an index that is computed", [f"CREATE INDEX odd ON {RECORDS} (instr(core, core))"], "table", "the index 'odd'"
    ),
    Shape(
        "an index with a condition",
        [f"CREATE INDEX odd ON {LEAVES} (hash) WHERE hash > ''"],
        "table",
        "the index 'odd'",
    ),
    Shape(
        "indexes that are texts",
        _again(LEAVES, "idx TEXT PRIMARY KEY, record_id TEXT, hash BLOB"),
        "index",
        "the leaf 0 is missing: the next one has the index no number",
    ),
    Shape(
        "an index of 400 digits",
        [
            *_again(LEAVES, "idx BLOB PRIMARY KEY, record_id TEXT, hash BLOB"),
            f"UPDATE {LEAVES} SET idx = '{DIGITS}' WHERE idx = 60",
        ],
        "index",
        "the leaf 60 is missing: the next one has the index 61",
    ),
    Shape(
        "indexes that are no whole numbers",
        _again(LEAVES, "idx REAL PRIMARY KEY, record_id TEXT, hash BLOB", "idx + 0.25, record_id, hash"),
        "index",
        "has the index no number",
    ),
    Shape(
        "hashes that are texts",
        _again(LEAVES, "idx INTEGER PRIMARY KEY, record_id TEXT, hash TEXT", "idx, record_id, hex(hash)"),
        "index",
        "the leaf 0 is no hash",
    ),
    Shape(
        "a record without an id",
        [
            *_again(RECORDS, ", ".join(COLUMNS)),
            f"CREATE INDEX ids ON {RECORDS} (id)",
            f"INSERT INTO {RECORDS} (id, writer, seq, kind, action, core) VALUES (NULL, 'w', 1, 'http', 'a', '{{}}')",
        ],
        "table",
        "audit_records has rows without an id",
    ),
    Shape(
        "a record with an id that is no text",
        [f"UPDATE {RECORDS} SET id = x'00ff' WHERE id = (SELECT max(id) FROM {RECORDS})"],
        "table",
        "audit_records has rows without an id",
    ),
    Shape(
        "a record with an id that is no UTF-8",
        [f"UPDATE {RECORDS} SET id = CAST(x'ff' AS TEXT) WHERE id = (SELECT max(id) FROM {RECORDS})"],
        "table",
        "audit_records has rows without an id",
    ),
    Shape(
        "records and leaves with ids that are no UTF-8",
        [
            f"UPDATE {RECORDS} SET id = CAST(x'ff' || CAST(id AS BLOB) AS TEXT)",
            f"UPDATE {LEAVES} SET record_id = CAST(x'ff' || CAST(record_id AS BLOB) AS TEXT)",
        ],
        "table",
        "audit_records has rows without an id",
    ),
    Shape(
        "a checkpoint whose size is a text",
        [f"UPDATE {CHECKPOINTS} SET size = 'zzz' WHERE size = (SELECT max(size) FROM {CHECKPOINTS})"],
        "checkpoint",
        "is kept as one of 'zzz'",
    ),
    *(
        Shape(
            f"a checkpoint whose {name} is {value}",
            [f"UPDATE {CHECKPOINTS} SET {name} = {value} WHERE size = (SELECT max(size) FROM {CHECKPOINTS})"],
            "checkpoint",
            said,
        )
        for name, value, said in [
            ("note", "x'00'", "a note is a text"),
            ("note", "7", "a note has a blank line"),
            ("note", "CAST(x'ff' AS TEXT)", "a note is UTF-8"),
            ("note", "'a' || char(10, 10)", "a checkpoint has an origin"),
            ("note", "zeroblob(200000)", "a note is a text"),
            ("peaks", "7", "has not the peaks of its tree"),
            ("peaks", "zeroblob(200000)", "has not the peaks of its tree"),
            ("signers", "zeroblob(200000)", "is not signed by whom its row says"),
            ("signers", "7", "is not signed by whom its row says"),
        ]
    ),
]
