"""The changes of a request are on its record; those made outside of any are events."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Engine, delete
from sqlalchemy.orm import Session, sessionmaker

from asgi_audit import (
    Actor,
    AuditMiddleware,
    AuditTrail,
    Change,
    Outcome,
    Record,
    Redactor,
    acting_as,
    set_actor,
)
from asgi_audit._types import ASGIApp, Receive, Scope, Send
from asgi_audit.changes import capture_changes
from asgi_audit.failures import Failures
from asgi_audit.record import Kind, encode
from asgi_audit.sqlalchemy import AuditStore, SQLAlchemySink
from asgi_audit.tally import MORE, MOST
from asgi_audit.testing import MemorySink
from tests.asgi.conversation import Conversation, body, converse, http_scope, request, start
from tests.changes.models import Post, Tag

LARGEST = 4 * 2**20  # bytes that the SQL sink takes of a record


def app_of(*work: Callable[[], Any]) -> ASGIApp:
    """An application that does its work before, and after, the response."""
    before, *after = work

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        set_actor("42", type="user")
        before()
        await send(start(200))
        await send(body(b"done"))
        for each in after:
            each()

    return app


def recorded(method: str, *work: Callable[[], Any], redact: Redactor | None = None) -> list[Record]:
    """What a request leaves in which this is done."""
    sink = MemorySink()
    with AuditTrail(sink, redact=redact) as trail:
        app = AuditMiddleware(app_of(*work), trail)
        converse("asyncio", app, http_scope(method=method, path="/tags"), Conversation(*request()))
        assert trail.stats().failures == {}
    return sink.records


def adding(maker: sessionmaker[Session], name: str) -> Callable[[], None]:
    """Work that adds a tag."""

    def work() -> None:
        with maker.begin() as session:
            session.add(Tag(name=name))

    return work


def row(name: str) -> Change:
    """A tag that was added, as it is on record."""
    return Change(operation="insert", type="tags", id=name, after={"name": name, "colour": None})


def test_changes_are_on_the_record_of_the_request(maker: sessionmaker[Session]) -> None:
    """Beside all else that it tells."""
    (record,) = recorded("POST", adding(maker, "a"))
    assert record.kind is Kind.HTTP
    assert record.status == 200
    assert record.changes == [row("a")]


def test_a_request_that_the_policy_skips_is_on_record_if_it_changes_something(maker: sessionmaker[Session]) -> None:
    """As an event, which says who and where."""
    (record,) = recorded("GET", adding(maker, "a"))
    assert (record.kind, record.action, record.changes) == (Kind.EVENT, "data.change", [row("a")])
    assert record.actor is not None
    assert record.actor.id == "42"
    assert record.request is not None
    assert (record.request.method, record.request.path) == ("GET", "/tags")
    assert recorded("GET", lambda: None) == []


def test_changes_after_the_response_are_events_of_their_own(maker: sessionmaker[Session]) -> None:
    """One for each commit, linked to the request's record."""
    first, second, third = recorded("POST", adding(maker, "a"), adding(maker, "b"), adding(maker, "c"))
    assert first.changes == [row("a")]
    for record, name in [(second, "b"), (third, "c")]:
        assert (record.kind, record.parent, record.changes) == (Kind.EVENT, first.id, [row(name)])


def test_a_skipped_request_may_change_something_after_its_end(maker: sessionmaker[Session]) -> None:
    """No record was made at the response, so one event has it all."""
    for before, changes in [((), ["a"]), (("a",), ["b", "c"])]:
        work = [adding(maker, f"{name} {len(before)}") for name in [*before, *changes]]
        (record,) = recorded("GET", *([] if before else [lambda: None]), *work)
        assert (record.kind, record.action) == (Kind.EVENT, "data.change")
        assert record.changes == [row(f"{name} {len(before)}") for name in [*before, *changes]]


def test_values_are_redacted_by_the_names_of_their_columns(maker: sessionmaker[Session]) -> None:
    """With the trail's redactor."""

    def work() -> None:
        with maker.begin() as session:
            session.add(Post(title="secret title", options={"password": "hunter2", "note": "ok"}))

    (record,) = recorded("POST", work, redact=Redactor(deny=["headline"]))
    assert record.changes is not None
    after = record.changes[0].after
    assert after["headline"] == "[redacted]"
    assert after["options"] == {"password": "[redacted]", "note": "ok"}


def test_changes_outside_of_a_request_are_events(engine: Engine) -> None:
    """One for each commit, in the name of whom the block says."""
    sink = MemorySink()
    maker = sessionmaker(engine)
    with AuditTrail(sink, tenant=lambda scope: "never asked") as trail, capture_changes(maker, trail=trail):
        adding(maker, "a")()
        with acting_as(Actor("import", type="job")), maker() as session:
            for name in "bc":
                session.add(Tag(name=name))
                session.commit()
        with maker() as session:
            session.add(Tag(name="d"))
            session.flush()
        assert trail.stats().failures == {}
    assert [(record.kind, record.action, record.outcome) for record in sink.records] == [
        (Kind.EVENT, "data.change", Outcome.SUCCESS)
    ] * 3
    assert [record.changes for record in sink.records] == [[row("a")], [row("b")], [row("c")]]
    assert [record.actor and (record.actor.id, record.actor.source) for record in sink.records] == [
        None,
        ("import", "acting_as"),
        ("import", "acting_as"),
    ]
    assert {(record.request, record.source, record.parent, record.tenant) for record in sink.records} == {(None,) * 4}


def test_a_block_in_a_request_changes_the_request(maker: sessionmaker[Session]) -> None:
    """`acting_as` is for events; the changes are the request's."""

    def work() -> None:
        with acting_as(Actor("import", type="job")):
            adding(maker, "a")()

    (record,) = recorded("POST", work)
    assert record.changes == [row("a")]


def test_without_a_trail_changes_outside_are_counted(maker: sessionmaker[Session], homeless: Failures) -> None:
    """They are lost, and it is said."""
    adding(maker, "a")()
    with acting_as("import"):
        adding(maker, "b")()
    assert homeless.counts() == {"changes outside of any request were not recorded: give capture_changes() a trail": 2}


def test_failures_outside_are_counted_where_they_are_seen(engine: Engine) -> None:
    """By the trail."""

    class Hostile(int):
        def __getattr__(self, name: str) -> None:
            raise RuntimeError(name)

    maker = sessionmaker(engine)
    with AuditTrail(MemorySink()) as trail, capture_changes(maker, trail=trail), maker.begin() as session:
        session.add(Post(title="a", options={"a": Hostile(1)}))
        session.flush()
        assert trail.stats().failures == {"changes of a session could not be captured": 1}


def test_ten_thousand_objects_make_no_record_that_is_too_large(maker: sessionmaker[Session], sqlite_url: str) -> None:
    """A thousand are shown in detail, the rest are counted, and the SQL sink takes it."""

    def work() -> None:
        with maker() as session:
            posts = [Post(title=f"{number} {'x' * 30}") for number in range(10_000)]
            session.add_all(posts)
            session.flush()
            with session.begin_nested():
                for post in posts:
                    post.views += 1
            session.commit()
            session.execute(delete(Post))
            session.commit()

    async def stored() -> list[Record]:
        async with AuditStore(sqlite_url) as store:
            return [record async for record in store.query()]

    sink = MemorySink()
    with AuditTrail(SQLAlchemySink(sqlite_url), sink) as trail:
        app = AuditMiddleware(app_of(work), trail)
        converse("asyncio", app, http_scope(method="POST"), Conversation(*request()))
        trail.flush()
        assert trail.stats().failures == {}
    (record,) = sink.records
    assert record.changes is not None
    assert len(encode(record)) < LARGEST
    assert {change.type for change in record.changes} == {"posts"}
    in_detail = len([change for change in record.changes if change.count is None])
    assert 500 < in_detail <= MOST
    assert record.changes[in_detail:] == [
        Change(operation="insert", type="posts", count=10_000 - in_detail, criteria=MORE),
        Change(operation="update", type="posts", count=10_000, criteria=MORE),
        Change(operation="delete", type="posts", count=10_000, criteria=MORE),
    ]
    (read,) = [each for each in asyncio.run(stored()) if each.kind is Kind.HTTP]
    assert read.changes == record.changes


def test_the_largest_values_make_no_record_that_is_too_large(maker: sessionmaker[Session]) -> None:
    """Whatever the escape makes of them."""

    def work() -> None:
        with maker.begin() as session:
            session.add_all(
                [
                    Post(title="\x85" * 60_000, options={"k" * 200 + str(n): "\x00" * 20 for n in range(500)})
                    for _ in range(50)
                ]
            )

    (record,) = recorded("POST", work)
    assert 100_000 < len(encode(record)) < LARGEST
    assert record.changes is not None
    assert sum(change.count or 1 for change in record.changes) == 50


def test_the_trails_own_sessions_are_not_captured(sqlite_url: str) -> None:
    """Though all sessions are, and the trail is in the same database."""

    async def run() -> Record:
        async with AuditStore(sqlite_url) as store:
            (found,) = [record async for record in store.query() if record.kind is Kind.EVENT]
            return found

    from_sink = SQLAlchemySink(sqlite_url)
    with AuditTrail(from_sink) as trail, capture_changes(Session, trail=trail):
        trail.event("something.happened")
        trail.flush()
    assert asyncio.run(run()).action == "something.happened"


def test_many_requests_keep_their_changes_apart(engine: Engine) -> None:
    """Each has its own, though they run at the same time with sessions of one maker."""
    maker = sessionmaker(engine)
    sink = MemorySink()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].strip("/")
        with maker() as session:
            for part in range(3):
                session.add(Tag(name=f"{name} {part}"))
                await asyncio.sleep(0)
            session.commit()
        await send(start(200))
        await send(body(b"done"))

    async def ask(app: Callable[[Scope, Any, Any], Awaitable[None]], number: int) -> None:
        conversation = Conversation(*request())
        await app(http_scope(method="POST", path=f"/{number}"), conversation.receive, conversation.send)

    async def crowd(app: ASGIApp) -> None:
        await asyncio.gather(*(ask(app, number) for number in range(50)))

    with AuditTrail(sink) as trail, capture_changes(maker):
        asyncio.run(crowd(AuditMiddleware(app, trail)))
    for record in sink.records:
        assert record.request is not None
        name = record.request.path.strip("/")
        assert [change.id for change in record.changes or []] == [f"{name} {part}" for part in range(3)]
    assert len(sink.records) == 50
