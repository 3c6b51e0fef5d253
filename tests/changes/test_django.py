"""What Django's ORM commits is on the record of the request, and no query is made for it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import AuditMiddleware, AuditTrail, Change, ConfigurationError, acting_as
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.context import outside
from asgi_audit.snapshot import COMPUTED, EXCLUDED
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, start
from tests.changes import captured
from tests.frameworks.django_project import configure

configure()

from django.db import DatabaseError, connection, transaction  # noqa: E402 - Django wants its settings first
from django.db.backends.signals import connection_created  # noqa: E402
from django.db.models import F  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from asgi_audit.contrib.django_changes import Capture, capture_changes  # noqa: E402
from tests.changes.library.models import ALL, Author, Badge, Book, Comic, Draft, Tag, Token  # noqa: E402

BOOKS, AUTHORS = Book._meta.db_table, Author._meta.db_table


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """Empty tables."""
    with connection.schema_editor() as editor:
        for model in ALL:
            editor.create_model(model)
    yield
    with connection.schema_editor() as editor:
        for model in reversed(ALL):
            editor.delete_model(model)


@pytest.fixture
def capture(tables: None) -> Iterator[Capture]:
    """Everything is captured."""
    with capture_changes() as capture:
        yield capture


def changes(*work: Callable[[], Any]) -> list[Change]:
    """What a request has changed in which this is done."""
    with captured.request() as caught:
        for each in work:
            each()
    assert caught.failures == []
    return caught.changes


def test_a_new_row_is_shown_by_its_columns(capture: Capture) -> None:
    """By their names in the table, with defaults and the key."""
    (change,) = changes(lambda: Author.objects.create(name="Ada", notes="odd"))
    author = Author.objects.get()
    assert change == Change(
        operation="insert",
        type=AUTHORS,
        id=str(author.pk),
        after={"id": author.pk, "name": "Ada", "password": "", "notes": EXCLUDED, "seen_count": 0},
    )


def test_a_changed_row_is_shown_by_what_has_changed(capture: Capture) -> None:
    """Old and new, also of what was changed in place; what was set to what it was is no change."""
    Book.objects.create(title="a", options={"size": [1]})

    def change() -> None:
        book = Book.objects.get()
        book.title = "b"
        book.options["size"].append(2)
        book.save()
        book.save()
        book.title = "c"
        book.save(update_fields=["options"])
        book.refresh_from_db()
        book.title = "d"
        book.save()

    first, second = changes(change)
    assert (first.operation, first.type) == ("update", BOOKS)
    assert first.before == {"title": "a", "options": {"size": [1]}}
    assert first.after == {"title": "b", "options": {"size": [1, 2]}}
    assert (second.before, second.after) == ({"title": "b"}, {"title": "d"})


def test_what_was_not_loaded_is_unknown(capture: Capture) -> None:
    """It is in `after` and not in `before`: that would take a query. What is loaded later is known from then on."""
    Author.objects.create(id=1, name="Ada")

    def change() -> None:
        author = Author.objects.only("seen").get()
        author.name = "Grace"
        author.save()
        author = Author.objects.only("seen").get()
        assert author.name == "Grace"
        author.name = "Lin"
        author.save()
        Author(id=1, name="Ada", seen=0).save(update_fields=["name"])

    assert [(each.before, each.after) for each in changes(change)] == [
        ({}, {"name": "Grace"}),
        ({"name": "Grace"}, {"name": "Lin"}),
        ({}, {"name": "Ada"}),
    ]


def test_what_the_database_computes_is_marked(capture: Capture) -> None:
    """What came of it would take a query."""
    author = Author.objects.create(name="Ada")

    def change() -> None:
        author.seen = F("seen") + 1
        author.save()

    (found,) = changes(change)
    assert (found.before, found.after) == ({"seen_count": 0}, {"seen_count": COMPUTED})


def test_a_deleted_row_is_shown_as_it_was(capture: Capture) -> None:
    """As it was loaded, not as it was changed since; what falls with it is summed up."""
    author = Author.objects.create(name="Ada")
    Book.objects.create(title="a", author=author)
    tag = Tag.objects.create(name="x")

    def delete() -> None:
        found = Author.objects.get()
        found.name = "Grace"
        found.delete()
        Tag.objects.get().delete()

    found = {each.type: each for each in changes(delete)}
    deleted, other, fallen = found.pop(AUTHORS), found.pop(Tag._meta.db_table), found.pop(BOOKS)
    assert (deleted.operation, deleted.id, deleted.before["name"]) == ("delete", str(author.pk), "Ada")
    assert (other.id, other.before) == (str(tag.pk), {"id": tag.pk, "name": "x"})
    assert (fallen.operation, fallen.count, fallen.id) == ("delete", 1, None)
    assert found == {}


def test_an_object_of_a_subclass_is_a_row_in_each_table(capture: Capture) -> None:
    """Inserted, changed and deleted."""

    def work() -> None:
        comic = Comic.objects.create(title="a", artist="Uderzo")
        comic.artist = "Moebius"
        comic.title = "b"
        comic.save()
        comic.delete()

    found = [(each.operation, each.type) for each in changes(work)]
    assert found == [
        *(("insert", BOOKS), ("insert", Comic._meta.db_table)),
        *(("update", BOOKS), ("update", Comic._meta.db_table)),
        *(("delete", Comic._meta.db_table), ("delete", BOOKS)),
    ]


@pytest.mark.parametrize(
    ("work", "operation", "table", "count", "criteria"),
    [
        (lambda: Author.objects.update(name="x"), "update", AUTHORS, 3, "(all rows)"),
        (lambda: Author.objects.filter(name="b").update(seen=1), "update", AUTHORS, 1, f'"{AUTHORS}"."name" = %s'),
        (lambda: Tag.objects.bulk_create([Tag(name="s3cret")]), "insert", Tag._meta.db_table, 1, "(values)"),
        (lambda: Tag.objects.filter(name="t").delete(), "delete", Tag._meta.db_table, 1, None),
        (
            lambda: connection.cursor().execute(
                f"UPDATE {AUTHORS} SET name = 'x' WHERE name = 's3cret' OR seen_count = 0"
            ),
            *("update", AUTHORS, 3, "name = ? OR seen_count = ?"),
        ),
        (lambda: Book.objects.get().tags.add(Tag.objects.get()), "insert", "library_book_tags", 1, "(values)"),
    ],
)
def test_statements_are_summed_up(
    work: Callable[[], Any], operation: str, table: str, count: int, criteria: str | None, capture: Capture
) -> None:
    """The table, how many rows, and the criteria without a value in them."""
    Author.objects.bulk_create([Author(name=name) for name in "abc"])
    Tag.objects.create(name="t")
    Book.objects.create(title="a")
    (found,) = changes(work)
    assert (found.operation, found.type, found.count) == (operation, table, count)
    assert criteria is None or found.criteria == criteria
    assert "s3cret" not in str(found)


def test_rows_whose_number_nobody_has_read_are_on_record(capture: Capture) -> None:
    """`bulk_create` with automatic keys has them returned, so that SQLite counts none until they are fetched."""
    (change,) = changes(lambda: Author.objects.bulk_create([Author(name="Ada"), Author(name="Bob")]))
    assert (change.operation, change.type, change.count) == ("insert", AUTHORS, None)


def test_a_field_that_is_loaded_late_hides_no_change(capture: Capture) -> None:
    """Only what was just read is taken for what the database has."""
    Author.objects.create(name="Ada")

    def change() -> None:
        author = Author.objects.only("seen").get()
        author.seen = 7
        assert author.name == "Ada"  # is read now
        author.save()

    (found,) = changes(change)
    assert (found.before, found.after) == ({"seen_count": 0}, {"seen_count": 7})


def test_what_was_rolled_back_is_a_change_once_it_is_saved_again(capture: Capture) -> None:
    """Of a whole transaction, of a savepoint in it, and of a deletion after it."""
    author = Author.objects.create(name="Ada")

    def rename(name: str) -> None:
        author.name = name
        author.save()

    def fail() -> None:
        with suppress(ZeroDivisionError), transaction.atomic():
            rename("Bob")
            rename("Cleo")
            raise ZeroDivisionError

    (found,) = changes(fail, lambda: rename("Cleo"))
    assert (found.before, found.after) == ({"name": "Ada"}, {"name": "Cleo"})

    def fail_within() -> None:
        with transaction.atomic():
            rename("Dora")
            with suppress(ZeroDivisionError), transaction.atomic():
                rename("Eve")
                raise ZeroDivisionError
            rename("Eve")

    first, second = changes(fail_within)
    assert (first.after, second.before, second.after) == ({"name": "Dora"}, {"name": "Dora"}, {"name": "Eve"})

    def fail_again() -> None:
        with suppress(ZeroDivisionError), transaction.atomic():
            rename("Fay")
            raise ZeroDivisionError
        author.delete()

    assert changes(fail_again)[-1].before["name"] == "Eve"


def test_nothing_since_a_savepoint_of_ones_own_is_on_record_once_it_is_undone(capture: Capture) -> None:
    """What came before it, and comes after it, is; so is what is put aside for the commit by others."""
    done: list[str] = []

    def work() -> None:
        with transaction.atomic():
            Author.objects.create(name="before")
            sid = transaction.savepoint()
            Author.objects.create(name="undone")
            transaction.on_commit(lambda: done.append("others"))
            transaction.savepoint_rollback(sid)
            Author.objects.create(name="after")
            transaction.savepoint_commit(transaction.savepoint())

    assert [change.after["name"] for change in changes(work)] == ["before", "after"]
    assert done == ["others"]


def test_a_key_that_must_not_be_seen_is_not(capture: Capture) -> None:
    """Whether the model says so, or its name."""
    (badge,) = changes(lambda: Badge.objects.create(code="007"))
    assert badge.id == EXCLUDED
    (token,) = changes(lambda: Token.objects.create(token="t0p"))
    assert token.id == "[redacted]"


def test_bytes_are_compared_and_not_shown(capture: Capture) -> None:
    """Also those of which there are as many."""
    badge = Badge.objects.create(code="a", picture=b"one")

    def change() -> None:
        badge.picture = memoryview(b"two")
        badge.save()
        badge.save()

    (found,) = changes(change)
    assert (found.before, found.after) == ({"picture": "[3 bytes]"}, {"picture": "[3 bytes]"})


def test_an_object_that_takes_the_place_of_another_row_changes_that(capture: Capture) -> None:
    """What it was before says nothing of that row."""
    first, second = Author.objects.create(name="Ada"), Author.objects.create(name="Bob")

    def change() -> None:
        first.pk = second.pk
        first.save()

    (found,) = changes(change)
    assert (found.operation, found.id, found.before, found.after["name"]) == ("update", str(second.pk), {}, "Ada")


def test_connections_of_other_threads_are_watched_and_left_alone_again(tables: None) -> None:
    """Those which were made before, from the first save on; after the end nothing of theirs is looked at."""
    opened, captured_now, removed = Event(), Event(), Event()
    found: list[list[Change]] = []

    def work() -> None:
        Author.objects.count()
        opened.set()
        assert captured_now.wait(10)
        found.append(changes(Author(name="Ada").save, lambda: Author.objects.update(seen=3)))
        captured_now.clear()
        removed.set()
        assert captured_now.wait(10)
        found.append(changes(lambda: Author.objects.update(seen=4)))
        connection.close()

    thread = Thread(target=work)
    thread.start()
    assert opened.wait(10)
    with capture_changes():
        captured_now.set()
        assert removed.wait(10)
    captured_now.set()
    thread.join(10)
    assert [[change.operation for change in each] for each in found] == [["insert", "update"], []]


def test_a_wrapper_that_somebody_adds_for_a_while_is_theirs_to_take_away(tables: None) -> None:
    """Also where watching begins meanwhile."""
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):
        capture = capture_changes()
    with capture:
        assert len(changes(lambda: Author.objects.bulk_create([Author(name="Ada")]))) == 1
    assert connection.execute_wrappers == []


def test_what_changes_nothing_is_not_on_record(capture: Capture) -> None:
    """Nor what is only read, nor what is left out."""
    Author.objects.create(name="a")
    work = (
        lambda: Author.objects.filter(name="nobody").update(name="x"),
        lambda: list(Author.objects.select_for_update()),
        lambda: Draft.objects.create(text="a").save(),
        lambda: Draft.objects.update(text="b"),
        lambda: Draft.objects.get().delete(),
    )
    with transaction.atomic():
        assert changes(*work) == []


def test_nothing_of_what_is_rolled_back_is_on_record(capture: Capture) -> None:
    """By the transaction, by a savepoint; and nothing before the commit."""

    def work() -> None:
        with suppress(KeyError), transaction.atomic():
            Author.objects.create(name="a")
            raise KeyError
        with transaction.atomic():
            Author.objects.create(name="b")
            with suppress(KeyError), transaction.atomic():
                Author.objects.create(name="c")
                raise KeyError
            with transaction.atomic():
                Author.objects.create(name="d")
            Author.objects.create(name="e")
            assert captured_now() == []

    with captured.request() as caught:

        def captured_now() -> list[Change]:
            return caught.changes

        work()
    assert [change.after["name"] for change in caught.changes] == ["b", "d", "e"]


def test_a_save_that_fails_leaves_nothing(capture: Capture) -> None:
    """And what comes after it is seen."""

    def work() -> None:
        Author.objects.create(id=1, name="a")
        with pytest.raises(DatabaseError):
            Author(id=1, name="b").save(force_insert=True)
        Author.objects.update(name="c")

    assert [change.operation for change in changes(work)] == ["insert", "update"]


def test_no_query_is_added() -> None:
    """With and without the capture, the same statements are executed."""

    def work() -> list[str]:
        with CaptureQueriesContext(connection) as found:
            author = Author.objects.create(id=1, name="a")
            tag = Tag.objects.create(id="00000000-0000-0000-0000-000000000001", name="t")
            comic = Comic.objects.create(id=1, title="c", artist="d", author=author)
            comic.tags.add(tag)
            comic.tags.set([])
            author.name = "b"
            author.save()
            Author.objects.defer("name").get().save()
            Author.objects.filter(name="b").update(seen=F("seen") + 1)
            Tag.objects.all().delete()
            comic.delete()
            Author.objects.all().delete()
        return [query["sql"] for query in found]

    bare = work()
    with capture_changes(), captured.request():
        assert work() == bare
    assert len(bare) > 15


def test_only_some_models_are_captured() -> None:
    """With the tables that they inherit, and those that join them to others."""
    with capture_changes(Comic):

        def work() -> None:
            Author.objects.create(name="a")
            comic = Comic.objects.create(title="c", artist="d")
            comic.tags.add(Tag.objects.create(name="t"))

        assert [change.type for change in changes(work)] == [BOOKS, Comic._meta.db_table, "library_book_tags"]
    assert changes(lambda: Comic.objects.create(title="c", artist="d")) == []


def test_outside_of_a_request_they_are_events() -> None:
    """One for each commit; without a trail they are counted."""
    sink = MemorySink()
    with AuditTrail(sink) as trail, capture_changes(trail=trail), acting_as("import"):
        with transaction.atomic():
            Author.objects.create(name="a")
            Author.objects.create(name="b")
        Author.objects.update(name="c")
    assert [(record.action, len(record.changes or [])) for record in sink.records] == [
        ("data.change", 2),
        ("data.change", 1),
    ]
    assert {record.actor and record.actor.id for record in sink.records} == {"import"}
    with capture_changes():
        Author.objects.create(name="a")
    assert outside.counts() == {"changes outside of any request were not recorded: give capture_changes() a trail": 1}


def test_a_request_has_them_on_its_record(capture: Capture) -> None:
    """Redacted by the names of their columns."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.to_thread(lambda: Author.objects.create(name="Ada", password="hunter2"))
        await send(start(200))
        await send(body(b"done"))

    sink = MemorySink()
    served: ASGIApp
    with AuditTrail(sink) as trail:
        served = AuditMiddleware(app, trail)
        converse("asyncio", served, http_scope(method="POST"), Conversation(*request()))
    (record,) = sink.records
    assert record.changes is not None
    (change,) = record.changes
    assert (change.after["name"], change.after["password"]) == ("Ada", "[redacted]")


def test_each_request_has_its_own(capture: Capture) -> None:
    """Also where two of them share a transaction; a connection that is opened again is heard once."""
    connection_created.send(sender=type(connection), connection=connection)
    with transaction.atomic(), captured.request() as first:
        Author.objects.create(name="a")
        with captured.request() as second:
            Author.objects.create(name="b")
    assert [[change.after["name"] for change in each.changes] for each in (first, second)] == [["a"], ["b"]]


def test_what_cannot_be_seen_is_counted(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """And fails no save."""

    def odd(self: object, value: object) -> None:
        raise LookupError

    with captured.request() as caught:
        author = Author(name="Ada")
        field = Author._meta.get_field("seen")
        monkeypatch.setattr(
            field, "get_prep_value", lambda value: odd(field, value) if caught.failures == [] else value
        )
        with pytest.raises(LookupError):
            author.save()  # the database needs the value, too
        monkeypatch.undo()
        author.name = object()
        monkeypatch.setattr(type(author)._meta.get_field("name"), "pre_save", lambda instance, add: "Ada")
        monkeypatch.setattr(Author._meta.get_field("name"), "get_prep_value", _refuse_objects)
        author.save()
    assert caught.failures == ["changes of a session could not be captured"]
    assert Author.objects.get().name == "Ada"


def _refuse_objects(value: object) -> object:
    if not isinstance(value, str):
        raise LookupError
    return value


def test_a_slip_is_told_where_it_is_made(capture: Capture) -> None:
    """With the argument and the remedy."""
    with pytest.raises(ConfigurationError, match="are captured already"):
        capture_changes()
    capture.remove()
    capture.remove()
    slip: Any = "sqlite:///audit.db"
    with pytest.raises(ConfigurationError, match="pass an AuditTrail"):
        capture_changes(trail=slip)
    with pytest.raises(ConfigurationError, match="give classes of models"):
        capture_changes(slip)


names = st.sampled_from(["a", "b", "c"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), names, st.booleans()),
        st.tuples(st.just("update"), names, st.booleans()),
        st.tuples(st.just("delete"), names, st.booleans()),
        st.tuples(st.just("savepoint"), names, st.booleans()),
    ),
    max_size=12,
)


@given(st.lists(steps, max_size=4))
def test_changes_on_record_lead_from_the_old_state_to_the_new(units: list[list[tuple[str, str, bool]]]) -> None:
    """Whatever the application does: what is committed is on record, exactly, and nothing else."""
    Author.objects.all().delete()
    with capture_changes(), captured.request() as caught:
        for number, unit in enumerate(units):
            try:
                with transaction.atomic():
                    _play(unit)
                    if number % 3 == 2:
                        raise KeyError
            except KeyError:
                pass
    state: dict[str, dict[str, Any]] = {}
    for change in caught.changes:
        assert change.id is not None
        if change.operation == "delete":
            assert state.pop(change.id) == change.before
        else:
            row = state.setdefault(change.id, {})
            assert {name: row[name] for name in change.before} == change.before
            row.update(change.after)
    rows = {str(row["id"]): row for row in Author.objects.values("id", "name", "password", "notes", "seen")}
    assert {key: row["name"] for key, row in rows.items()} == {key: row["name"] for key, row in state.items()}
    assert caught.failures == []


def _play(unit: list[tuple[str, str, bool]]) -> None:
    for at, (what, name, undo) in enumerate(unit):
        if what == "insert":
            Author.objects.create(name=name)
        elif what == "savepoint":
            try:
                with transaction.atomic():
                    _play(unit[at + 1 : at + 3])
                    if undo:
                        raise KeyError
            except KeyError:
                pass
        elif (author := Author.objects.filter(name=name).first()) is not None:
            if what == "delete":
                author.delete()
            else:
                author.name = f"{name}{len(unit)}"
                author.save()
