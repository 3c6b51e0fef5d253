"""What is compared: the bare application, what wraps it, and our own ways to record."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from asgi_correlation_id import CorrelationIdMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from starlette.middleware.base import BaseHTTPMiddleware
from starlette_context.middleware import RawContextMiddleware

from asgi_audit import AuditMiddleware, AuditTrail, Level, Policy, Rule
from asgi_audit._types import ASGIApp, Scope
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal, Journal, MemoryJournal
from asgi_audit.journal.durability import Fsync
from asgi_audit.sinks import AnySink
from benchmarks.traffic import NoOp, bare, get, large, many_headers, nowhere, post, serve, visit

_NEVER_SECONDS: Final = 3600.0  # sinks are served only when somebody waits for them, outside of what is measured
_WHOLE: Final = Policy([Rule(Level.RESPONSE)])
_TWENTY: Final = Policy([*(Rule(Level.METADATA, paths=[f"/area{at}/**"]) for at in range(20)), *Policy.mutations])
_ONE: Final = Policy([Rule(Level.METADATA, paths=["/area/**"]), *Policy.mutations])


class Case(NamedTuple):
    """An application to serve, how it is asked, and what has it deliver all that it has recorded."""

    app: Any
    request: Callable[[], Scope] = post
    deliver: Callable[[], None] = lambda: None
    client: Callable[[Any, Callable[[], Scope], int], Awaitable[None]] = serve


#: What makes a case, for a while, in an empty directory.
Maker: TypeAlias = Callable[[Path], AbstractContextManager[Case]]


@contextmanager
def audited(
    place: Path,
    journal: Journal,
    sink: AnySink = nowhere,
    *,
    app: ASGIApp = bare,
    request: Callable[[], Scope] = post,
    policy: Policy | None = None,
    linger: float = _NEVER_SECONDS,
) -> Iterator[Case]:
    """An application with a trail, which has lost nothing in the end."""
    delivery = Delivery(linger=linger, rejected=place / "rejected.jsonl")
    trail = AuditTrail(sink, journal=journal, delivery=delivery, policy=policy)
    with trail:
        trail.flush(60)  # from now on the lane sleeps
        yield Case(AuditMiddleware(app, trail), request, lambda: trail.flush(60))
    assert all(lane.lost == 0 and lane.pending == 0 for lane in trail.stats().sinks), trail.stats()


def unwrapped(app: ASGIApp = bare) -> Maker:
    """An application alone."""
    return lambda _: nullcontext(Case(app))


def wrapped(wrap: Callable[[Any], Any]) -> Maker:
    """The bare application in somebody else's middleware."""
    return lambda _: nullcontext(Case(wrap(bare)))


def memory(app: ASGIApp = bare, request: Callable[[], Scope] = post, policy: Policy | None = None) -> Maker:
    """Recorded into memory, or not at all, as the policy says."""
    return lambda place: audited(place, MemoryJournal(), app=app, request=request, policy=policy)


def filed(fsync: Fsync) -> Maker:
    """Recorded into files, with an intent before."""
    return lambda place: audited(place, FileJournal(place / "journal", fsync=fsync))


def _nothing(app: Any) -> Any:
    async def dispatch(request: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        return await call_next(request)

    return BaseHTTPMiddleware(app, dispatch=dispatch)


_traces = TracerProvider()  # with no exporter: spans are made, and go nowhere
#: Everything here is work of the thread that serves.
MAKERS: Final[dict[str, Maker]] = {
    "bare": unwrapped(),
    "no-op": wrapped(NoOp),
    "skipped": memory(request=get),
    "skipped, 1 rule": memory(request=get, policy=_ONE),
    "skipped, 20 rules": memory(request=get, policy=_TWENTY),
    "memory": memory(),
    "memory, 50 headers": memory(request=many_headers),
    "memory, bodies and headers": memory(policy=_WHOLE),
    "file, never": filed("never"),
    "file, interval": filed("interval"),
    "file, always": filed("always"),
}
#: A megabyte is answered.
LARGE: Final[dict[str, Maker]] = {
    "bare": unwrapped(large),
    "recorded": memory(large),
    "recorded with its body": memory(large, policy=_WHOLE),
}
#: Of these, no two do the same; none records.
OTHERS: Final[dict[str, Maker]] = {
    "asgi-correlation-id": wrapped(CorrelationIdMiddleware),
    "starlette-context": wrapped(RawContextMiddleware),
    "OpenTelemetry": wrapped(lambda app: OpenTelemetryMiddleware(app, tracer_provider=_traces)),
    "BaseHTTPMiddleware": lambda _: nullcontext(Case(_nothing(bare), client=visit)),
}


def delivered(url: str) -> Maker:
    """Recorded into files, and delivered to a database as it comes."""
    return lambda place: audited(place, FileJournal(place / "journal"), url, linger=0.05)
