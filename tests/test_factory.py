"""How a draft or an event becomes a record: read from the scope, redacted, put together."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from asgi_audit import (
    Actor,
    AuditMiddleware,
    AuditTrail,
    Change,
    Kind,
    Level,
    MemoryJournal,
    Outcome,
    Policy,
    Record,
    Rule,
    Target,
)
from asgi_audit._types import ASGIApp, Message, Receive, Scope, Send
from asgi_audit.draft import Draft
from asgi_audit.testing import MemorySink
from tests.durable import DurableJournal

HEADERS = [
    (b"host", b"shop.example"),
    (b"user-agent", b"curl/8"),
    (b"x-request-id", b"req-1"),
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    (b"content-type", b"application/json"),
    (b"authorization", b"Bearer abc.def"),
]


def http_scope(**changes: Any) -> Scope:
    """A POST as a server would describe it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/users/7",
        "raw_path": b"/users/7",
        "query_string": b"page=1&token=abc",
        "headers": HEADERS,
        "client": ("192.0.2.7", 4711),
        **changes,
    }


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body and answer with a little JSON."""
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"id": 7, "secret": "s"}'})


def recorded(app: ASGIApp = answer, scope: Scope | None = None, **options: Any) -> list[Record]:
    """Serve one request and return what the trail has of it."""
    sink = MemorySink()
    with AuditTrail(sink, **options) as trail:

        async def receive() -> Message:
            return {"type": "http.request", "body": b'{"name": "Ada", "password": "hunter2"}'}

        async def send(message: Message) -> None:
            pass

        asyncio.run(AuditMiddleware(app, trail)(http_scope() if scope is None else scope, receive, send))
    return sink.records


def only(records: list[Record]) -> Record:
    """The one record."""
    (record,) = records
    return record


def test_metadata_says_who_what_when_from_where_and_how_it_ended() -> None:
    """At METADATA there are the facts of the request, and neither headers nor bodies."""
    record = only(recorded(service="shop"))
    assert record.action == "POST"
    assert record.outcome is Outcome.SUCCESS
    assert record.service == "shop"
    assert record.duration_us is not None
    assert record.source is not None
    assert (record.source.ip, record.source.port, record.source.ip_source) == ("192.0.2.7", 4711, "peer")
    assert record.source.user_agent == "curl/8"
    request = record.request
    assert request is not None
    assert (request.method, request.path, request.query) == ("POST", "/users/7", "page=1&token=[redacted]")
    assert (request.scheme, request.host, request.http_version) == ("https", "shop.example", "1.1")
    assert (request.id, request.trace_id, request.size) == ("req-1", "0af7651916cd43dd8448eb211c80319c", 38)
    assert request.headers is None
    assert request.body is None
    assert record.response is not None
    assert (record.response.status, record.response.size) == (201, 24)
    assert record.response.headers is None
    assert record.response.body is None


def test_request_level_adds_headers_and_body_redacted() -> None:
    """At REQUEST there are the request's headers and body, without secrets."""
    record = only(recorded(policy=Policy([Rule(Level.REQUEST)])))
    assert record.request is not None
    assert record.request.headers is not None
    assert ("authorization", "[redacted]") in record.request.headers
    assert record.request.body is not None
    assert record.request.body.text == '{"name": "Ada", "password": "[redacted]"}'
    assert record.response is not None
    assert record.response.body is None


def test_response_level_adds_those_of_the_response() -> None:
    """At RESPONSE there are the response's headers and body as well."""
    record = only(recorded(policy=Policy([Rule(Level.RESPONSE)])))
    assert record.response is not None
    assert record.response.headers == [("content-type", "application/json")]
    assert record.response.body is not None
    assert record.response.body.text == '{"id": 7, "secret": "[redacted]"}'


def test_a_sparse_scope_is_enough() -> None:
    """What a server leaves out is null in the record."""
    record = only(recorded(scope={"type": "http", "method": "PUT", "path": "/x", "headers": iter(HEADERS)}))
    assert record.source is not None
    assert record.source.ip is record.source.ip_source is None
    assert record.request is not None
    assert (record.request.host, record.request.query, record.request.method) == (None, None, "PUT")


def test_a_path_that_the_server_could_not_decode_is_kept_exact() -> None:
    """Where the path has a replacement character, the bytes of the raw path are recorded."""
    record = only(recorded(scope=http_scope(path="/caf\ufffd", raw_path=b"/caf%E9")))
    assert record.request is not None
    assert record.request.path == "/caf\\xE9"
    without = only(recorded(scope=http_scope(path="/caf\ufffd", raw_path=None)))
    assert without.request is not None
    assert without.request.path == "/caf\ufffd"


def annotating(note: Callable[[Draft], object]) -> ASGIApp:
    """An application that says something of its request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        note(scope["asgi_audit"])
        await answer(scope, receive, send)

    return app


def test_notes_enter_the_record_redacted() -> None:
    """What the application says is in the record, without secrets and safe to store."""

    def note(draft: Draft) -> None:
        draft.set_actor("4\n2", type="user", name="Ada", on_behalf_of=Actor("7"))
        draft.annotate(
            action="user.rename", target=Target("7", type="user", name="Bob"), reason="Bearer abc123", tenant="t"
        )
        draft.annotate(target=[Target("8")], data={"ticket": "OPS-1", "api_key": "k"})
        draft.change(Change(operation="update", type="user", id="7", before={"pin": "1234"}, after={"name": "Bob"}))

    record = only(recorded(annotating(note)))
    assert record.action == "user.rename"
    assert record.actor == Actor("4\\x0A2", type="user", name="Ada", source="set_actor", on_behalf_of=Actor("7"))
    assert record.targets == [Target("7", type="user", name="Bob"), Target("8")]
    assert record.reason == "Bearer [redacted]"
    assert record.tenant == "t"
    assert record.data == {"ticket": "OPS-1", "api_key": "[redacted]"}
    assert record.changes == [
        Change(operation="update", type="user", id="7", before={"pin": "[redacted]"}, after={"name": "Bob"})
    ]


def test_an_impersonation_is_not_a_tower() -> None:
    """A chain of `on_behalf_of` that has no end is cut."""
    tower = Actor("top")
    for number in range(100):
        tower = Actor(str(number), on_behalf_of=tower)
    record = only(recorded(annotating(lambda draft: draft.set_actor(tower))))
    depth, actor = 0, record.actor
    while actor is not None:
        depth, actor = depth + 1, actor.on_behalf_of
    assert depth == 5


def test_ids_of_any_type_become_text() -> None:
    """An id that is not a string, against the type hints, is recorded all the same."""
    record = only(recorded(annotating(lambda draft: draft.annotate(target=Target(7, type="user")))))  # type: ignore[arg-type]
    assert record.targets == [Target("7", type="user")]


@pytest.mark.parametrize("number", ["4111111111111111", 4111111111111111])
def test_a_number_that_names_something_is_no_payment_card(number: Any) -> None:
    """One in ten long numbers has a card's check digit; in a path, in its parameters and in ids it stays."""

    def note(draft: Draft) -> None:
        draft.set_actor(Actor(number, on_behalf_of=Actor(number)))
        draft.annotate(target=Target(number, type="order"), tenant=number, reason=f"paid with {number}")
        draft.change(Change(operation="update", type="order", id=number, after={"card": number}))

    scope = http_scope(path=f"/orders/{number}", path_params={"order_id": number})
    record = only(recorded(annotating(note), scope))
    said = "4111111111111111"
    assert record.actor == Actor(said, source="set_actor", on_behalf_of=Actor(said))
    assert record.targets == [Target(said, type="order")]
    assert record.tenant == said
    assert record.changes == [Change(operation="update", type="order", id=said, after={"card": "[redacted]"})]
    assert record.reason == "paid with [redacted]"
    assert record.request is not None
    assert record.request.path == f"/orders/{said}"
    assert record.request.params == {"order_id": said}


@pytest.mark.parametrize(
    ("said", "recorded_as"),
    [
        ("failed", Outcome.FAILED),
        (Outcome.DENIED, Outcome.DENIED),
        ("nonsense", Outcome.SUCCESS),
        (None, Outcome.SUCCESS),
    ],
)
def test_the_application_may_say_how_an_ordinary_end_is_meant(said: str, recorded_as: Outcome) -> None:
    """`outcome=` replaces that of a whole response; an unknown one does not."""
    assert only(recorded(annotating(lambda draft: draft.annotate(outcome=said)))).outcome is recorded_as


def raising(error: BaseException, said: str | None = None) -> ASGIApp:
    """An application that fails before it has answered."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["asgi_audit"].annotate(outcome=said)
        raise error

    return app


class UnspeakableError(Exception):
    """An exception that can't be turned into text."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def failing(error: Exception, **options: Any) -> Record:
    """The record of a request that fails."""
    sink = MemorySink()
    with AuditTrail(sink, **options) as trail:

        async def nothing(message: Message | None = None) -> Any:
            return {"type": "http.request"}

        wrapped = AuditMiddleware(raising(error, "success"), trail)
        with pytest.raises(type(error)):
            asyncio.run(wrapped(http_scope(), nothing, nothing))
    return only(sink.records)


def test_an_error_is_not_talked_away() -> None:
    """`outcome=` does not replace an exception; its class is on record, its message only from REQUEST up."""
    record = failing(ValueError("password=hunter2"))
    assert record.outcome is Outcome.ERROR
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("ValueError", None)
    record = failing(ValueError("password=hunter2"), policy=Policy([Rule(Level.REQUEST)]))
    assert record.error is not None
    assert record.error.message == "password=[redacted]"


def test_an_exception_without_text_is_recorded_without_its_message() -> None:
    """An exception whose `__str__` raises is named by its class."""
    record = failing(UnspeakableError(), policy=Policy([Rule(Level.REQUEST)]))
    assert record.error is not None
    assert (record.error.type, record.error.message) == (f"{__name__}.UnspeakableError", None)


@pytest.mark.parametrize(
    ("identify", "expected"),
    [
        (lambda scope: "7", Actor("7", source="identify")),
        (lambda scope: Actor("7", type="key", source="api-key"), Actor("7", type="key", source="api-key")),
        (lambda scope: None, Actor("ada", source="framework")),
        (lambda scope: scope["missing"], Actor("ada", source="framework")),
    ],
)
def test_the_actor_is_identified_from_the_scope(identify: Any, expected: Actor) -> None:
    """Without `set_actor`, `identify` says who acts; where it does not, or raises, the framework's user does."""
    assert only(recorded(scope=http_scope(user="ada"), identify=identify)).actor == expected


def test_names_from_the_client_are_redacted_too() -> None:
    """A credential in the request id or the host does not become part of the record; what is no text is left out."""
    headers = [
        (b"x-request-id", b"Bearer abc.def.ghi"),
        (b"host", b"http://u:p4ss@shop"),
        (b"user-agent", bytearray(b"x")),
    ]
    record = only(recorded(scope=http_scope(headers=headers)))
    assert record.request is not None
    assert record.request.id == "Bearer [redacted]"
    assert "p4ss" not in str(record)
    assert record.source is not None
    assert record.source.user_agent is None


def unreadable(**changes: Any) -> Scope:
    """A scope that no server would make: its path is a number."""
    return http_scope(path=5, **changes)


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a 500."""
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body"})


async def report(scope: Scope, receive: Receive, send: Send) -> None:
    """Record an event in a request."""
    scope["test_trail"].event("report.export")
    await answer(scope, receive, send)


def served(trail: AuditTrail, app: ASGIApp, scope: Scope) -> list[int]:
    """Serve one request; the statuses that went out."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    asyncio.run(AuditMiddleware(app, trail)(scope, receive, send))
    return statuses


@pytest.mark.parametrize(
    ("app", "method", "status"), [(answer, "POST", 201), (fail, "POST", 500), (report, "GET", 201)]
)
def test_a_record_that_cannot_be_made_is_declared_lost(app: ASGIApp, method: str, status: int) -> None:
    """The response goes out as it is; that a record is missing is counted, and stands in the trail."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        assert served(trail, app, unreadable(method=method, test_trail=trail)) == [status]
        trail.flush()
        assert trail.health().status == "degraded"
    assert sink.records == []
    (loss,) = [record for record in sink.everything if record.kind is Kind.LOSS]
    assert loss.data == {"records": 1, "reason": "the record could not be made"}


def test_a_500_that_no_rule_means_is_not_held() -> None:
    """A rule that waits for another status leaves nothing behind, nor anything that a flush would wait for."""
    sink = MemorySink()
    with AuditTrail(sink, policy=Policy(Policy.denials)) as trail:
        assert served(trail, fail, http_scope(method="GET")) == [500]
        trail.flush()
        assert trail.health()
    assert sink.records == []


def test_a_late_word_about_a_request_without_a_record_needs_an_action() -> None:
    """There is nothing to add to; with an action it is an event of its own."""
    sink = MemorySink()
    with AuditTrail(sink) as trail:
        scope = http_scope(method="GET")
        served(trail, answer, scope)
        draft: Draft = scope["asgi_audit"]
        draft.annotate(reason="lost")
        assert "annotate() without an action" in trail.health().problems[0]
        draft.annotate(action="report.export")
        trail.flush()
    assert [(record.action, record.parent) for record in sink.records] == [("report.export", None)]


def test_headers_that_are_no_pairs_cost_no_body() -> None:
    """A body whose type can't be read is dropped as of an unsupported type, and counted."""
    record = only(recorded(scope=http_scope(headers=[5]), policy=Policy([Rule(Level.REQUEST)])))
    assert record.request is not None
    assert record.request.body is not None
    assert (record.request.body.size, record.request.body.dropped) == (38, "unsupported type")


def test_a_denied_parameter_is_masked_in_the_path_too() -> None:
    """`/reset/{token}`: the route tells that a part of the path is a secret."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {"token": "t0ps3cret", "page": "reset"}
        await answer(scope, receive, send)

    record = only(recorded(app, scope=http_scope(path="/reset/t0ps3cret/reset")))
    assert record.request is not None
    assert record.request.path == "/reset/[redacted]/reset"
    assert record.request.params == {"token": "[redacted]", "page": "reset"}


def test_what_inner_layers_put_into_the_scope_is_not_where_it_came_from() -> None:
    """Method, path, query, client and headers are those that the server gave."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        forged = http_scope(method="GET", path="/innocent", query_string=b"", client=("6.6.6.6", 1), headers=[])
        scope.update(forged)
        await answer(scope, receive, send)

    record = only(recorded(app))
    assert record.action == "POST"
    assert record.source is not None
    assert (record.source.ip, record.source.user_agent) == ("192.0.2.7", "curl/8")
    assert record.request is not None
    assert (record.request.method, record.request.path, record.request.query) == (
        "POST",
        "/users/7",
        "page=1&token=[redacted]",
    )


async def authenticate(scope: Scope, receive: Receive, send: Send) -> None:
    """Do to the scope what frameworks do."""
    scope["path_params"] = {"token": "t0ps3cret", "page": "reset"}
    scope["path_template"] = "/{page}/{token}"
    scope["user"] = "ada"
    scope["path"], scope["headers"] = "/innocent", []
    await answer(scope, receive, send)


@pytest.mark.parametrize("level", [Level.METADATA, Level.REQUEST])
@pytest.mark.parametrize(
    ("app", "scope"),
    [
        (answer, http_scope()),
        (fail, http_scope()),
        (authenticate, http_scope(path="/reset/t0ps3cret")),
        (answer, http_scope(path="/a\ufffdb", raw_path=b"/a%ffb")),
        (authenticate, http_scope(path="/a\ufffd/t0ps3cret", raw_path=b"/a%ff/t0ps3cret")),
        (answer, http_scope(headers=[(b"alone",)])),
        (answer, {"type": "http", "method": "PUT", "path": "/x"}),
    ],
    ids=["plain", "500", "routed", "undecodable", "undecodable and routed", "broken headers", "sparse"],
)
def test_an_intent_changes_nothing_of_the_record(app: ASGIApp, scope: Scope, level: Level) -> None:
    """What was read at the start is what would have been read at the end."""

    def without_chance(journal: MemoryJournal) -> Record:
        made = only(recorded(app, dict(scope), policy=Policy([Rule(level)]), journal=journal))
        at_random: dict[str, Any] = {"id": "", "duration_us": 0, "writer": "", "salts": "", "time": made.time.min}
        return msgspec.structs.replace(made, **at_random)

    assert without_chance(DurableJournal()) == without_chance(MemoryJournal())


def test_a_rule_by_status_may_ask_for_more_than_the_intent_has() -> None:
    """Or for less: the record has what its own level asks for."""
    for status, expected in ((201, True), (500, False)):
        policy = Policy(
            [Rule(Level.METADATA, statuses=[500]), Rule(Level.REQUEST, statuses=[201]), Rule(Level.REQUEST)]
        )
        record = only(recorded(answer if status == 201 else fail, policy=policy, journal=DurableJournal()))
        assert record.request is not None
        assert (record.status, record.request.headers is not None) == (status, expected)
    policy = Policy([Rule(Level.REQUEST, statuses=[201]), Rule(Level.METADATA)])
    record = only(recorded(policy=policy, journal=DurableJournal()))
    assert record.request is not None
    assert ("authorization", "[redacted]") in (record.request.headers or [])


@pytest.mark.parametrize("level", [Level.METADATA, Level.REQUEST])
def test_an_intent_says_what_is_known_before_the_application_runs(level: Level) -> None:
    """Redacted as a record is; no outcome, no duration, no sizes, and nobody's word on who acts."""
    journal = DurableJournal()
    record = only(recorded(scope=http_scope(user="ada"), policy=Policy([Rule(level)]), journal=journal, service="shop"))
    (intent,) = journal.intents
    assert (intent.v, intent.kind, intent.time, intent.action) == (1, Kind.HTTP, record.time, "POST")
    assert (intent.outcome, intent.duration_us, intent.actor, intent.response) == (None, None, None, None)
    assert (intent.service, len(intent.salts or "")) == ("shop", 96)
    assert intent.source == record.source
    assert intent.request is not None
    assert record.request is not None
    assert intent.request == msgspec.structs.replace(record.request, size=None, body=None)
    assert (intent.request.headers is not None) == (level is Level.REQUEST)
    assert intent.id != record.id


def test_a_lower_case_method_is_recorded_as_sent() -> None:
    """Servers pass `delete` on, and frameworks take it for DELETE: so does the action."""
    record = only(recorded(scope=http_scope(method="delete")))
    assert record.action == "DELETE"
    assert record.request is not None
    assert record.request.method == "delete"


def test_nobody_is_not_the_user_of_the_framework() -> None:
    """`set_actor(None)` says that there is no actor, whoever is authenticated."""
    record = only(recorded(annotating(lambda draft: draft.set_actor(None)), scope=http_scope(user="bob")))
    assert record.actor is None


@pytest.mark.parametrize("app", [answer, fail])
def test_identify_is_asked_once(app: ASGIApp) -> None:
    """It may cost something; also if it knows nobody, and if the record is held back."""
    asked: list[Scope] = []
    recorded(app, identify=asked.append)
    assert len(asked) == 1


def test_a_request_that_turned_out_not_to_be_recorded_can_still_name_its_action() -> None:
    """Its response is over, but not the application: the event says where it came from."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)
        scope["asgi_audit"].annotate(action="report.export")

    record = only(recorded(app, scope=http_scope(method="GET"), policy=Policy(Policy.denials)))
    assert (record.kind, record.action, record.parent) == (Kind.EVENT, "report.export", None)
    assert record.request is not None
    assert record.request.path == "/users/7"


@pytest.mark.parametrize("headers", [[(b"content-type", 7)], [(b"traceparent", "00-text")], [(b"x-request-id", 5)]])
def test_header_values_of_another_type_cost_nothing(headers: list[Any]) -> None:
    """What no server sends is left out; the request is served and recorded."""
    assert only(recorded(scope=http_scope(headers=headers), policy=Policy([Rule(Level.REQUEST)]))).status == 201


@pytest.mark.parametrize("about", [[], "2.3", {"spec_version": ["2.3"]}])
def test_a_scope_that_says_nothing_sensible_of_the_specification(about: object) -> None:
    """The request is served all the same."""
    assert only(recorded(scope=http_scope(asgi=about))).status == 201


def test_a_long_name_does_not_stay_in_memory() -> None:
    """What a client chooses is remembered only if it is short; it is recorded either way."""
    host = b"h" * 300
    record = only(recorded(scope=http_scope(headers=[(b"host", host), (b"user-agent", host)])))
    assert record.request is not None
    assert record.request.host == "h" * 256 + "\\[cut 300]"
    assert record.source is not None
    assert record.source.user_agent == "h" * 300


class Unreadable:
    """An object of the application's that nothing can be had of."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        raise RuntimeError("no")


class UnreadableMapping(Unreadable, Mapping[str, Any]):
    """The same, said to be a mapping."""


def test_what_the_application_says_may_be_unreadable() -> None:
    """Neither the request nor its record suffers; what can't be read is named by its class."""

    def note(draft: Draft) -> None:
        draft.set_actor(Unreadable())  # type: ignore[arg-type]
        draft.annotate(data=UnreadableMapping())
        draft.change(Change(operation="update", type="row", count=10**400))

    record = only(recorded(annotating(note)))
    assert record.actor == Actor("Unreadable", source="set_actor")
    assert record.data == {"data": "UnreadableMapping"}
    assert record.changes == [Change(operation="update", type="row")]


def test_an_actor_with_a_source_takes_more_about_it() -> None:
    """Keywords are never dropped."""
    record = only(recorded(annotating(lambda draft: draft.set_actor(Actor("1", source="mtls"), name="Ada"))))
    assert record.actor == Actor("1", name="Ada", source="mtls")
