"""What bypasses the unit of work is summed up: how many rows of which table, and which, but no value."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, column, delete, func, insert, literal_column, select, table, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql.expression import ColumnElement

from asgi_audit import Change
from tests.changes.captured import request
from tests.changes.models import Entry, Post, Tag, post_tags, table_of

CANARY = "canary-4711"
ENTRIES = table_of(Entry)
BLINDLY = {"synchronize_session": False}  # else the ORM has SQLite return rows, and these are counted too late


@pytest.fixture(autouse=True)
def entries(engine: Engine) -> None:
    """Five entries, `text` being 0 to 4."""
    with engine.begin() as connection:
        connection.execute(insert(ENTRIES), [{"id": n, "text": str(n)} for n in range(1, 6)])


def sums(*changes: tuple[str, str, int | None, str]) -> list[Change]:
    """Entries that sum up: operation, table, count, criteria."""
    return [Change(operation=each[0], type=each[1], count=each[2], criteria=each[3]) for each in changes]


def _by_connection(statement: Any, parameters: Any = None) -> Callable[[Session], Any]:
    return lambda session: session.connection().execute(statement, parameters)


def _by_session(statement: Any, parameters: Any = None) -> Callable[[Session], Any]:
    return lambda session: session.execute(statement, parameters)


@pytest.mark.parametrize("execute", [_by_session, _by_connection], ids=["session", "connection"])
@pytest.mark.parametrize(
    ("statement", "parameters", "expected"),
    [
        (update(Entry).where(Entry.text == "3").values(text=CANARY), None, [1, "update", "entries.text = :text_1"]),
        (update(ENTRIES).values(text=CANARY), None, [5, "update", "(all rows)"]),
        (update(Entry).where(Entry.id.in_([1, 2, 9])).values(text="x"), None, [2, "update", "entries.id IN (:id_1)"]),
        (delete(Entry).where(Entry.text.in_(["1", CANARY])), None, [1, "delete", "entries.text IN (:text_1)"]),
        (delete(ENTRIES), None, [5, "delete", "(all rows)"]),
        (delete(Entry).where(Entry.text == CANARY), None, []),
        (
            delete(Entry).execution_options(**BLINDLY).where(text("text <> 'canary-4711' AND id < 3")),
            None,
            [2, "delete", "text <> ? AND id < ?"],
        ),
        (
            delete(Entry).execution_options(**BLINDLY).where(Entry.text != literal_column(f"'{CANARY}'")),
            None,
            [5, "delete", "entries.text != ?"],
        ),
        (
            delete(Entry).execution_options(**BLINDLY).where(Entry.id == select(func.max(Entry.id)).scalar_subquery()),
            None,
            [1, "delete", "entries.id = (SELECT max(entries.id) AS max_1 FROM entries)"],
        ),
        (insert(ENTRIES).values(text=CANARY), None, [1, "insert", "(values)"]),
        (insert(ENTRIES).values([{"text": CANARY}, {"text": "b"}]), None, [2, "insert", "(values)"]),
        (insert(ENTRIES), [{"text": CANARY}] * 3, [3, "insert", "(values)"]),
        (
            insert(ENTRIES).from_select(["text"], select(Entry.text).where(Entry.text != CANARY)),
            None,
            [5, "insert", "SELECT entries.text FROM entries WHERE entries.text != :text_1"],
        ),
        (
            sqlite.insert(ENTRIES).values(id=1, text=CANARY).on_conflict_do_update(set_={"text": CANARY}),
            None,
            [1, "upsert", "(values)"],
        ),
        (sqlite.insert(ENTRIES).values(id=1, text=CANARY).on_conflict_do_nothing(), None, []),
        (
            update(ENTRIES).where(ENTRIES.c.id == bindparam("key")).values(text=bindparam("new")),
            [{"key": 1, "new": CANARY}, {"key": 2, "new": CANARY}],
            [2, "update", "entries.id = :key"],
        ),
        (text("UPDATE entries SET text = :new WHERE id > 3"), {"new": CANARY}, [2, "update", "id > ?"]),
        (text("UPDATE entries SET text = :new"), [{"new": CANARY}, {"new": "b"}], [10, "update", "(all rows)"]),
        (text("UPDATE entries SET text = 'x' WHERE text = 'canary-4711'"), None, []),
        (text("INSERT INTO entries (text) VALUES ('canary-4711')"), None, [1, "insert", "(values)"]),
        (select(Entry.id), None, []),
        (text("SELECT id FROM entries"), None, []),
        (text("CREATE TABLE other (a int)"), None, []),
        (insert(table("entries", column("text"))).values(text=CANARY), None, [1, "insert", "(values)"]),
        (
            update(Entry).where(Entry.id == 1).values(text=CANARY).returning(Entry.id),
            None,
            [None, "update", "entries.id = :id_1"],
        ),
        (insert(Entry).returning(Entry.id), [{"text": CANARY}] * 3, [3, "insert", "(values)"]),
    ],
)  # fmt: skip
def test_statements_are_summed_up(
    maker: sessionmaker[Session],
    execute: Callable[[Any, Any], Callable[[Session], Any]],
    statement: Any,
    parameters: Any,
    expected: list[Any],
) -> None:
    """By the session or its connection, as a construct or as text: operation, table, count and which rows, no value."""
    with request() as captured, maker() as session:
        result = execute(statement, parameters)(session)
        if getattr(result, "returns_rows", True):
            result.all()
        session.commit()
    wanted = sums((expected[1], "entries", expected[0], expected[2])) if expected else []
    assert captured.changes == wanted
    assert CANARY not in repr(captured.changes)
    assert captured.failures == []


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda session: session.execute(insert(Entry), [{"text": "a"}, {"text": "b"}]), [("insert", 2, "(values)")]),
        (
            lambda session: session.execute(update(Entry), [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]),
            [("update", 2, "entries.id = :entries_id")],
        ),
        (lambda session: session.bulk_save_objects([Entry(text="a"), Entry(text="b")]), [("insert", 2, "(values)")]),
        (lambda session: session.bulk_insert_mappings(Entry, [{"text": "a"}] * 3), [("insert", 3, "(values)")]),
        (
            lambda session: session.bulk_update_mappings(Entry, [{"id": 3, "text": "a"}]),
            [("update", 1, "entries.id = :entries_id")],
        ),
        (lambda session: session.query(Entry).filter(Entry.id > 3).delete(), [("delete", 2, "entries.id > :id_1")]),
        (
            lambda session: session.query(Entry).filter(Entry.id > 3).update({"text": "x"}, "fetch"),
            [("update", None, "entries.id > :id_1")],
        ),
        (
            lambda session: session.connection().exec_driver_sql("DELETE FROM entries WHERE text = ?", ("1",)),
            [("delete", 1, "text = ?")],
        ),
        (
            lambda session: session.connection().connection.cursor().execute("DELETE FROM entries"),
            [],  # the driver's own cursor is below what SQLAlchemy sees
        ),
    ],
)  # fmt: skip
def test_bulk_work_is_summed_up(
    maker: sessionmaker[Session], work: Callable[[Session], Any], expected: list[tuple[str, int | None, str]]
) -> None:
    """The ORM's own short cuts, and the driver's SQL."""
    with request() as captured, maker() as session:
        work(session)
        session.commit()
    assert captured.changes == sums(*((each[0], "entries", each[1], each[2]) for each in expected))


def test_a_flush_is_not_summed_up_as_well(maker: sessionmaker[Session]) -> None:
    """Bulk work, then a flush of nothing, then bulk work, then a flush: each is on record once."""
    with request() as captured, maker() as session:
        session.bulk_save_objects([Entry(text="a")])
        post = Post(title="p", tags=[Tag(name="t")])
        session.add(post)
        session.flush()
        post.title = post.title
        session.flush()
        session.bulk_save_objects([Entry(text="b"), Entry(text="c")])
        session.execute(insert(Entry), [{"text": "d"}] * 4)
        post.title = "q"
        session.commit()
    shown = [(change.operation, change.type, change.count) for change in captured.changes]
    assert shown == [
        ("insert", "entries", 1),
        ("insert", "posts", None),
        ("insert", "tags", None),
        ("insert", "post_tags", None),
        ("insert", "entries", 2),
        ("insert", "entries", 4),
        ("update", "posts", None),
    ]


def test_what_only_its_dialect_can_write_is_withheld(maker: sessionmaker[Session]) -> None:
    """The criteria, not that there was a statement."""
    operand = column("id").op("<")(Unwritable())
    with request() as captured, maker() as session:
        session.execute(update(ENTRIES).where(operand).values(text="x"))
        session.commit()
    assert captured.changes == sums(("update", "entries", 2, "(withheld)"))


class Unwritable(ColumnElement[int]):
    """Known to SQLite alone."""

    inherit_cache = False


@compiles(Unwritable, "sqlite")
def _written(element: Unwritable, compiler: Any, **_: Any) -> str:
    return "3"


def test_the_association_can_be_written_by_hand(maker: sessionmaker[Session]) -> None:
    """Then it is a statement like any other."""
    with request() as captured, maker() as session:
        session.execute(insert(post_tags), [{"post_id": 1, "tag_name": "a"}])
        session.commit()
    assert captured.changes == sums(("insert", "post_tags", 1, "(values)"))
