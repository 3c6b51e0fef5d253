"""Hypothesis strategies: every record that can be made."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from asgi_audit.record import (
    VERSION,
    Actor,
    Body,
    Change,
    Error,
    Kind,
    Outcome,
    Part,
    Record,
    Request,
    Response,
    Source,
    Target,
    Traffic,
    WebSocket,
)

_LARGEST = 2**53 - 1


def texts(min_size: int = 0) -> st.SearchStrategy[str]:
    """Text as it leaves the escape: no control characters, no surrogates."""
    return st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=min_size, max_size=20)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy, or None."""
    return st.none() | strategy


def hexes(digits: int) -> st.SearchStrategy[str]:
    """So many lower-case hex digits."""
    return st.text("0123456789abcdef", min_size=digits, max_size=digits)


sizes = st.integers(0, _LARGEST)
names = maybe(texts())
pairs = maybe(st.lists(st.tuples(texts(), texts()), max_size=3))


@st.composite
def ids(draw: st.DrawFn) -> str:
    """UUIDv7 of any time until the year 9999."""
    milliseconds = draw(st.integers(0, 253_402_300_799_999))
    sub, variant, rest = draw(hexes(3)), draw(st.sampled_from("89ab")), draw(hexes(15))
    head = f"{milliseconds:012x}"
    return f"{head[:8]}-{head[8:]}-7{sub}-{variant}{rest[:3]}-{rest[3:]}"


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-_LARGEST, _LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(texts(), json_values, max_size=4)
times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it

_impersonated = st.builds(Actor, texts(), type=names, name=names)
actors = st.builds(Actor, texts(), type=names, name=names, source=names, on_behalf_of=maybe(_impersonated))
targets = st.builds(Target, texts(), type=names, name=names)
changes = st.builds(
    Change,
    operation=st.sampled_from(["insert", "update", "delete"]),
    type=texts(),
    id=names,
    before=json_objects,
    after=json_objects,
    count=maybe(sizes),
    criteria=names,
)
sources = st.builds(Source, ip=names, ip_source=names, port=maybe(st.integers(0, 65535)), user_agent=names)
parts = st.builds(Part, name=texts(), filename=names, type=names, size=sizes, text=names)
bodies = st.builds(
    Body,
    size=sizes,
    type=names,
    text=names,
    parts=maybe(st.lists(parts, max_size=2)),
    cut=st.booleans(),
    dropped=names,
    digest=names,
)
requests = st.builds(
    Request,
    path=texts(),
    method=names,
    route=names,
    params=maybe(st.dictionaries(texts(), texts(), max_size=3)),
    query=names,
    scheme=names,
    host=names,
    http_version=names,
    id=names,
    trace_id=names,
    size=maybe(sizes),
    headers=pairs,
    body=maybe(bodies),
)
responses = st.builds(Response, status=st.integers(100, 999), size=maybe(sizes), headers=pairs, body=maybe(bodies))
traffic = st.builds(Traffic, messages=sizes, bytes=sizes)
websockets = st.builds(WebSocket, received=traffic, sent=traffic, code=maybe(st.integers(1000, 4999)))


def records() -> st.SearchStrategy[Record]:
    """Records of every kind, with any of the optional fields."""
    return st.builds(
        Record,
        v=st.just(VERSION),
        id=ids(),
        kind=st.sampled_from(Kind),
        time=times,
        action=texts(),
        writer=hexes(32),
        seq=sizes,
        duration_us=maybe(sizes),
        outcome=maybe(st.sampled_from(Outcome)),
        actor=maybe(actors),
        targets=maybe(st.lists(targets, max_size=3)),
        source=maybe(sources),
        request=maybe(requests),
        response=maybe(responses),
        websocket=maybe(websockets),
        error=maybe(st.builds(Error, type=texts(), message=names)),
        changes=maybe(st.lists(changes, max_size=2)),
        data=maybe(json_objects),
        reason=names,
        parent=maybe(ids()),
        tenant=names,
        service=names,
        salts=maybe(hexes(96)),
    )
