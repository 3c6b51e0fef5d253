"""SQL that is put on record never shows a value."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_audit.literals import UNKNOWN_TABLE, WITHHELD, Told, told, without_literals


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("users.id = :id_1 AND users.name LIKE 'canary%'", "users.id = :id_1 AND users.name LIKE ?"),
        ("users.id IN (__[POSTCOMPILE_id_1])", "users.id IN (:id_1)"),
        ("age > 18 OR age=.5 OR h = 0x1F", "age > ? OR age=? OR h = ?"),
        ("name = N'it''s' AND b = E'x' AND c = U&'d'", "name = ? AND b = ? AND c = ?"),
        ("name = $$canary$$ AND b = $tag$can'ary$tag$ AND c = $1", "name = ? AND b = ? AND c = $1"),
        ("a = $tag$canary", "a = ?"),
        ("a = 'canary", "a = ?"),
        ("a = 1 -- canary\n AND b = /* canary */ 2 /* canary", "a = ? AND b = ?"),
        ('"order".id = ? AND "canary" = x', '"order".id = ? AND ? = x'),
        ("`a`.[b c] = %(name)s AND d = %s", "`a`.[b c] = %(name)s AND d = %s"),
        ("x = CAST(:y AS INTEGER) AND z::text = :a", "x = CAST(:y AS INTEGER) AND z::text = :a"),
        ("a = 'b\\' OR c = 'canary'", WITHHELD),
        ('a = "canary', WITHHELD),
        ("größe = 'groß'", "größe = ?"),
        ("t2.c3 IS NOT NULL", "t2.c3 IS NOT NULL"),
    ],
)
def test_literals_are_left_out(sql: str, kept: str) -> None:
    """Names, operators and placeholders stay; strings, numbers and comments of every dialect do not."""
    assert without_literals(sql, {"order"}) == kept


_SECRET = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20).map(
    lambda text: f"zqx{text}zqx"
)


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(st.lists(_SECRET, min_size=1, max_size=3), st.sampled_from(["=", "LIKE", "||", "IN ("]))
@example(["zqx\\"], "=")
@example(["zqx'--zqx"], "=")
def test_no_string_ever_stays(secrets: list[str], operator: str) -> None:
    """However they are written."""
    strings = [_string(secrets[0]), *(f"$t${each}$t$" for each in secrets[1:] if "$" not in each)]
    sql = " AND ".join(f"a {operator} {each}" for each in strings)
    assert "zqx" not in without_literals(sql)
    assert all("zqx" not in each.criteria + each.type for each in told(f"UPDATE t SET b = 1 WHERE {sql}"))


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", []),
        ("", []),
        ("SELECT * FROM users WHERE name = 'delete' FOR UPDATE", []),
        ("CREATE TABLE copy (a int)", []),
        ("SAVEPOINT replace", []),
        ("UPDATE users SET name = 'canary'", [Told("update", "users", "(all rows)")]),
        ("update only shop.users u set a = 1 where u.id = 7", [Told("update", "shop.users", "u.id = ?")]),
        ('DELETE FROM "my shop"."users" WHERE "name" = "canary"', [Told("delete", "my shop.users", "? = ?")]),
        ("/* why */ DELETE FROM `a`.`b`", [Told("delete", "a.b", "(all rows)")]),
        ("INSERT OR IGNORE INTO t (a) VALUES ('canary')", [Told("insert", "t", "(values)")]),
        ("INSERT INTO t SELECT * FROM u WHERE a = 1", [Told("insert", "t", "a = ?")]),
        ("REPLACE INTO t VALUES (1)", [Told("replace", "t", "(values)")]),
        ("TRUNCATE TABLE t", [Told("truncate", "t", "(all rows)")]),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", [Told("merge", "t", "(values)")]),
        ("COPY t (a) FROM STDIN", [Told("copy", "t", "(values)")]),
        ("CALL pay(:id, 'canary')", [Told("call", UNKNOWN_TABLE, "CALL pay(:id, ?)")]),
        ("DO $$ BEGIN DELETE FROM canary; END $$", [Told("do", UNKNOWN_TABLE, "DO ?")]),
        (
            "WITH gone AS (DELETE FROM a WHERE x = 'canary' RETURNING id) UPDATE b SET y = 1",
            [
                Told("delete", "a", "WITH gone AS (DELETE FROM a WHERE x = ? RETURNING id) UPDATE b SET y = ?"),
                Told("update", "b", "WITH gone AS (DELETE FROM a WHERE x = ? RETURNING id) UPDATE b SET y = ?"),
            ],
        ),
        ("WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE", []),
        ("EXPLAIN UPDATE t SET a = 1", []),
        ("EXPLAIN ANALYZE UPDATE t SET a = 1", [Told("update", "t", "EXPLAIN ANALYZE UPDATE t SET a = ?")]),
        (
            "DELETE FROM a; UPDATE b SET c = ';' WHERE d = 'canary;';",
            [Told("delete", "a", "(all rows)"), Told("update", "b", "d = ?")],
        ),
        ("UPDATE t SET a = 'b\\'' WHERE c = 'canary'", [Told("update", UNKNOWN_TABLE, WITHHELD)]),
        ("SELECT 'b\\'' FROM t", []),
        ("SELECT 'b\\'', updated FROM t", []),
        ("DELETE FROM 'canary'", [Told("delete", UNKNOWN_TABLE, "(all rows)")]),
        ("INSERT INTO", [Told("insert", UNKNOWN_TABLE, "(values)")]),
        ("( DELETE FROM t )", [Told("delete", "t", "(all rows)")]),
    ],
)
def test_text_tells_what_it_changes(sql: str, expected: list[Told]) -> None:
    """The operation, the table, and which rows; of what changes none, nothing."""
    assert list(told(sql)) == expected


@given(st.text(st.sampled_from("'\"$`\\;()-/*[]:%?.,=x1 \n") | st.characters(codec="utf-8"), max_size=40))
def test_any_text_can_be_read(sql: str) -> None:
    """Nothing raises, and what comes out is read the same way again."""
    for each in told(f"DELETE FROM t WHERE {sql}"):
        assert each.operation in {"delete", "do", "copy", "call", "exec", "load", "merge", "update", "insert"}
    once = without_literals(sql)
    assert without_literals(once) == once
