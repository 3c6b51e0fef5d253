"""What every store answers, compared with plain Python over the same records."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Actor, Kind, Outcome, Record, Request, Response, Source, Target
from asgi_audit.sqlalchemy import AuditStore
from asgi_audit.store import Query, first_id
from tests.contracts.sink_contract import without_salts
from tests.samples import record

#: Puts records into the store that is read, in one commit.
Filler: TypeAlias = Callable[[Sequence[Record]], Awaitable[None]]

_BASE = datetime(2026, 11, 20, tzinfo=UTC)


def _made(moment: datetime, **changes: Any) -> Record:
    """A record whose id says that it was made then."""
    it = record(**changes)
    return msgspec.structs.replace(it, id=first_id(round(moment.timestamp() * 1_000_000))[:-12] + it.id[-12:])


_CHANGES: list[dict[str, Any]] = [
    {},
    {"actor": Actor("43", type="user")},
    {"actor": Actor("42", type="job")},
    {"actor": None, "source": None},
    {"action": "invoice.approve", "kind": Kind.EVENT, "request": None, "response": None},
    {"targets": [Target("2026-117", type="invoice"), Target("8", type="user")]},
    {"targets": None, "tenant": None},
    {"outcome": Outcome.DENIED, "response": Response(status=403)},
    {"outcome": Outcome.FAILED, "response": Response(status=404)},
    {"outcome": Outcome.ERROR, "response": None},
    {"request": Request(path="/a_b%c/D", method="PUT", route="/a", id="r-2")},
    {"request": Request(path="/axbyc/d", method="DELETE")},
    {"source": Source(ip="2001:db8::1")},
    {"tenant": "other"},
]
_TRAIL = [_made(_BASE + timedelta(hours=number), **changes) for number, changes in enumerate(_CHANGES)]
_FILTERS: list[tuple[dict[str, Any], Callable[[Record], object]]] = [
    ({}, lambda it: True),
    ({"actor": "42"}, lambda it: it.actor and it.actor.id == "42"),
    ({"actor": "42", "actor_type": "job"}, lambda it: it.actor and it.actor.type == "job"),
    ({"action": "invoice.approve"}, lambda it: it.action == "invoice.approve"),
    ({"target": "2026-117"}, lambda it: it.targets and it.targets[0].id == "2026-117"),
    ({"target_type": "user"}, lambda it: it.targets and it.targets[0].type == "user"),
    ({"outcome": "denied"}, lambda it: it.outcome == "denied"),
    ({"outcome": Outcome.ERROR}, lambda it: it.outcome == "error"),
    ({"status": 404}, lambda it: it.status == 404),
    ({"status": "404"}, lambda it: it.status == 404),
    ({"status": "4xx"}, lambda it: it.status is not None and 400 <= it.status < 500),
    ({"status": (200, 403)}, lambda it: it.status is not None and 200 <= it.status <= 403),
    ({"method": "PUT"}, lambda it: it.request and it.request.method == "PUT"),
    ({"route": "/a"}, lambda it: it.request and it.request.route == "/a"),
    ({"kind": "event"}, lambda it: it.kind == "event"),
    ({"tenant": "other"}, lambda it: it.tenant == "other"),
    ({"ip": "2001:db8::1"}, lambda it: it.source and it.source.ip == "2001:db8::1"),
    ({"request_id": "r-2"}, lambda it: it.request and it.request.id == "r-2"),
    ({"path": "_B%c/d"}, lambda it: it.request and "_b%c/d" in it.request.path.lower()),
    ({"path": "/d"}, lambda it: it.request and "/d" in it.request.path.lower()),
    ({"since": _BASE + timedelta(hours=3)}, lambda it: it in _TRAIL[3:]),
    ({"until": _BASE + timedelta(hours=3)}, lambda it: it in _TRAIL[:3]),
    ({"since": "2026-11-20T03:00:00", "until": "2026-11-20T09:00:00+02:00"}, lambda it: it in _TRAIL[3:7]),
    ({"since": _BASE.date(), "until": "2026-11-21"}, lambda it: True),
    ({"since": "2026-11-21"}, lambda it: False),
]


class StoreContract:
    """Subclass it with the fixtures `store` (empty) and `fill`."""

    @pytest.fixture
    def store(self) -> AuditStore:
        raise NotImplementedError

    @pytest.fixture
    def fill(self) -> Filler:
        raise NotImplementedError

    @pytest.mark.asyncio
    async def test_every_filter_finds_what_it_says(self, store: AuditStore, fill: Filler) -> None:
        """Each filter gives the records that plain Python picks, newest first; as keywords and as a `Query`."""
        await fill(_TRAIL)
        for filters, matches in _FILTERS:
            expected = without_salts([it for it in reversed(_TRAIL) if matches(it)])
            assert [it async for it in store.query(**filters)] == expected, filters
            assert [it async for it in store.query(Query(**filters), oldest_first=True)] == expected[::-1], filters
            assert (await store.page(**filters)).records == expected, filters
            assert await store.count(**filters) == len(expected), filters

    @pytest.mark.asyncio
    async def test_get_finds_one(self, store: AuditStore, fill: Filler) -> None:
        """By its id; None if there is no such record, or if it is no id."""
        await fill(_TRAIL)
        assert await store.get(_TRAIL[3].id) == without_salts(_TRAIL)[3]
        assert await store.get(_TRAIL[3].id.upper()) == without_salts(_TRAIL)[3]
        assert await store.get(record().id) is None
        assert await store.get("x") is None

    @pytest.mark.asyncio
    async def test_a_stream_has_a_limit(self, store: AuditStore, fill: Filler) -> None:
        """`limit` ends the stream, in either order and across the steps in which it is read."""
        trail = [_made(_BASE + timedelta(seconds=number)) for number in range(1100)]
        await fill(trail)
        ids = [it.id for it in trail]
        for limit in (0, 1, 499, 500, 501, 1000, 1100, 2000, None):
            assert [it.id async for it in store.query(limit=limit, oldest_first=True)] == ids[:limit]
            assert [it.id async for it in store.query(limit=limit)] == ids[::-1][:limit]

    def test_pages_lead_everywhere(self, store: AuditStore, fill: Filler) -> None:
        """From the newest page to the oldest and back: every record once, in order, with the cursors that it gives."""
        trail = [_made(_BASE + timedelta(seconds=number), actor=Actor(str(number % 3))) for number in range(60)]

        @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(size=st.integers(1, 70), actor=st.sampled_from([None, "0", "1", "nobody"]))
        def walk(size: int, actor: str | None) -> None:
            model = [it.id for it in reversed(trail) if actor is None or (it.actor and it.actor.id == actor)]
            loop.run_until_complete(self._there_and_back(store, Query(actor=actor), size, model))

        loop = asyncio.new_event_loop()
        loop.run_until_complete(fill(trail))
        walk()
        loop.close()

    async def _there_and_back(self, store: AuditStore, query: Query, size: int, model: list[str]) -> None:
        pages = [model[at : at + size] for at in range(0, len(model), size)] or [[]]
        page = await store.page(query, size=size)
        assert page.newer is None
        for number, expected in enumerate(pages):
            if number:
                page = await store.page(query, size=size, older_than=page.older)
            assert [it.id for it in page.records] == expected
            assert (page.older is None) == (number == len(pages) - 1)
            assert (page.newer is None) == (number == 0)
        for expected in reversed(pages[:-1]):
            page = await store.page(query, size=size, newer_than=page.newer)
            assert [it.id for it in page.records] == expected
            assert page.older is not None
        assert page.newer is None

    @pytest.mark.asyncio
    async def test_a_page_beyond_the_end_is_empty(self, store: AuditStore, fill: Filler) -> None:
        """Older than the oldest there is nothing."""
        await fill(_TRAIL)
        assert await store.page(older_than=_TRAIL[0].id) == ([], None, None)

    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"size": 0}, "size"),
            ({"size": 1001}, "size"),
            ({"older_than": "x"}, "older_than"),
            ({"newer_than": "x"}, "newer_than"),
            ({"older_than": _TRAIL[0].id, "newer_than": _TRAIL[0].id}, "newer_than"),
            ({"query": Query(), "actor": "42"}, "filters"),
        ],
    )
    async def test_bad_pages_are_refused(self, store: AuditStore, arguments: Any, named: str) -> None:
        """The error names the argument."""
        with pytest.raises(ConfigurationError) as caught:
            await store.page(**arguments)
        assert caught.value.argument == named

    @pytest.mark.asyncio
    async def test_follow_shows_what_comes(self, store: AuditStore, fill: Filler) -> None:
        """From now on, once each and only what matches, also when another worker's older record is committed late."""
        now = datetime.now(UTC)
        old, late, *new = (_made(now + timedelta(seconds=n), actor=Actor("42")) for n in range(-3, 4))
        other = _made(now, actor=Actor("43"))
        await fill([old])
        view = store.follow(actor="42", poll=0.01)
        coming = asyncio.ensure_future(anext(view))
        await self._begun(store, coming)
        await fill([new[0], other])
        assert (await coming).id == new[0].id
        await fill([late, *new[1:]])
        assert [(await anext(view)).id for _ in range(5)] == [late.id, *(it.id for it in new[1:])]
        await view.aclose()  # type: ignore[attr-defined]

    async def _begun(self, store: AuditStore, coming: "asyncio.Future[Record]") -> None:
        """Give the view the time to take stock: it asks two questions before it waits."""
        for _ in range(50):
            await store.count()
            await asyncio.sleep(0)
        assert not coming.done()

    @pytest.mark.asyncio
    async def test_follow_can_begin_earlier(self, store: AuditStore, fill: Filler) -> None:
        """With `since`, what is there from then on comes first, oldest first, however much it is."""
        start = datetime.now(UTC).timestamp() - 4000
        trail = [_made(datetime.fromtimestamp(start + number, UTC)) for number in range(1200)]
        await fill(trail)
        view = store.follow(since=datetime.fromtimestamp(start + 10, UTC), poll=0.01)
        assert [(await anext(view)).id for _ in range(1190)] == [it.id for it in trail[10:]]
        more = _made(datetime.fromtimestamp(start + 1150, UTC))
        await fill([more])
        assert (await anext(view)).id == more.id
        await view.aclose()  # type: ignore[attr-defined]

    @pytest.mark.asyncio
    async def test_follow_begins_in_an_empty_store(self, store: AuditStore, fill: Filler) -> None:
        """Everything that ever comes is new."""
        await fill([])
        view = store.follow(poll=0.01)
        coming = asyncio.ensure_future(anext(view))
        await self._begun(store, coming)
        it = record()
        await fill([it])
        assert (await coming).id == it.id
        await view.aclose()  # type: ignore[attr-defined]
