"""What a request has told us so far.

A draft is in two places while its request runs: in the context variable and in the scope. Behind layers that run the
application in another task or thread, or that copy the scope, one of the two may be lost, but both lead to this one
object.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, TypedDict, Unpack, cast

import msgspec

from asgi_audit import process
from asgi_audit._types import Scope
from asgi_audit.opening import Opening
from asgi_audit.record import Actor, Body, Change, Kind, Outcome, Target, WebSocket

KEY: Final = "asgi_audit"


class _Gate:
    """One lock for all drafts, held for a few assignments: an annotation is in the record, or known to be late.

    A signal handler may record in the middle of them, so their thread can take it again.
    """

    def __init__(self) -> None:
        self.renew()
        process.on_fork(self.renew)

    def renew(self) -> None:
        self.lock = threading.RLock()


_gate = _Gate()


class About(TypedDict, total=False):
    """What else there is to say about an actor than the id."""

    type: str | None
    name: str | None
    on_behalf_of: Actor | None


def as_actor(actor: Actor | str | None, source: str, **about: Unpack[About]) -> Actor | None:
    """The actor, and how we know; one that brings its own source keeps it."""
    if actor is None:
        return None
    if not isinstance(actor, Actor):
        return Actor(_id(actor), source=source, **about)
    return msgspec.structs.replace(actor, source=actor.source or source, **about)


def _id(given: object) -> str:
    """An id as text; whose text can't be had is named by its class."""
    try:
        return str(given)
    except Exception:  # noqa: BLE001 - the application's object
        return type(given).__name__


class Annotation(TypedDict, total=False):
    """The keywords of `annotate()`; free data goes under `data`, so that a new keyword never breaks a caller."""

    action: str | None
    target: Target | Sequence[Target] | None
    reason: str | None
    tenant: str | None
    outcome: Outcome | str | None
    data: Mapping[str, Any] | None


class Notes:
    """What the application has said about an action, in one call or several."""

    __slots__ = ("action", "changes", "data", "outcome", "reason", "targets", "tenant")

    def __init__(
        self,
        *,
        action: str | None = None,
        target: Target | Sequence[Target] | None = None,
        reason: str | None = None,
        tenant: str | None = None,
        outcome: Outcome | str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        self.action = action
        self.targets = _targets(target)
        self.reason = reason
        self.tenant = tenant
        self.outcome = outcome
        self.data = _data(data)
        self.changes: list[Change] = []

    def merge(self, later: "Notes") -> None:
        """Add what was said later: targets, data and changes add up, of the rest the last word counts."""
        self.action = later.action or self.action
        self.reason = later.reason or self.reason
        self.tenant = later.tenant or self.tenant
        self.outcome = later.outcome or self.outcome
        self.targets += later.targets
        self.data.update(later.data)
        self.changes += later.changes


def _targets(given: object) -> list[Target]:
    """The targets. A slip in an annotation must neither break the request nor cost it its record: the rest is ids."""
    if given is None:
        return []
    several = given if isinstance(given, list | tuple | set | frozenset) else [given]
    return [each if isinstance(each, Target) else Target(cast("str", each)) for each in several]


def _data(given: object) -> dict[str, Any]:
    """The free data, copied; what is no mapping is kept under a name."""
    if given is None:
        return {}
    try:
        return dict(given) if isinstance(given, Mapping) else {"data": given}
    except Exception:  # noqa: BLE001 - the application's object
        return {"data": type(given).__name__}


class Capture(Protocol):
    """Takes a body as it passes, and keeps of it what may be kept."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the body."""

    def finish(self) -> Body:
        """What has been kept."""


class Recorder(Protocol):
    """The side of the trail that a draft needs."""

    def new_id(self) -> str:
        """A new record id."""

    def late(self, draft: "Draft", notes: Notes) -> None:
        """Record notes that came after the draft's record was made."""

    def actor_of(self, draft: "Draft") -> Actor | None:
        """Who acts in the draft's request, as far as is known."""


class Draft:
    """The mutable form of a record while its request is running. The verbs are thread-safe.

    `scope["asgi_audit"]` is this object, for code that the context variable does not reach. What has not been set is a
    class attribute, so that making a draft costs little.
    """

    kind: Kind = Kind.HTTP
    time_ns: int = 0  # wall clock, nanoseconds since the epoch
    clock_ns: int = 0  # monotonic
    certain: bool = False  # whether a record will be made whatever the status
    finished: bool = False
    intent: str | None = None  # the id of the journal's intent, while there is one
    opening: Opening | None = None  # what an intent was made of
    id: str | None = None
    action: str | None = None  # as recorded, once it is
    actor: Actor | None = None
    actor_is_known: bool = False  # it was said, also if it was said that there is none
    actor_is_late: bool = False  # said after the end, so not inherited from the request
    notes: Notes | None = None
    outcome: Outcome | None = None
    status: int | None = None
    error: BaseException | None = None
    websocket: WebSocket | None = None
    request_size: int | None = None
    request_body: Capture | None = None
    response_size: int | None = None
    response_headers: Sequence[tuple[bytes, bytes]] | None = None
    response_body: Capture | None = None

    def __init__(self, recorder: Recorder, scope: Scope) -> None:
        self.recorder = recorder
        self.scope: Scope | None = scope
        get = scope.get
        #: As the server gave them: layers further in may put others into the scope.
        self.origin = (get("method"), get("path"), get("query_string"), get("client"), get("headers"))

    def set_actor(self, actor: Actor | str | None, **about: Unpack[About]) -> None:
        """Say who acts; `None` for nobody."""
        self.actor = as_actor(actor, "set_actor", **about)
        self.actor_is_known = True
        self.actor_is_late = self.finished

    def annotate(self, **annotation: Unpack[Annotation]) -> None:
        """Add to the record; once that is made, to the trail, as an event record of its own that names it as parent."""
        self.note(Notes(**annotation))

    def change(self, change: Change) -> None:
        """Add what became of a row."""
        notes = Notes()
        notes.changes.append(change)
        self.note(notes)

    def note(self, notes: Notes) -> None:
        """Add notes; `annotate` with the words already put together."""
        with _gate.lock:
            if not self.finished:
                if self.notes is None:
                    self.notes = notes
                else:
                    self.notes.merge(notes)
                return
        self.recorder.late(self, notes)

    def finish(self) -> None:
        """From now on, annotations are late."""
        with _gate.lock:
            self.finished = True

    def reserve_id(self) -> str:
        """The id that the record has or will have: the intent's, which also an interrupted request's record has."""
        with _gate.lock:
            if self.id is None:
                self._reserve(self.intent or self.recorder.new_id())
            return cast("str", self.id)

    def final_id(self) -> str:
        """The id that the record gets, now that it is made: the reserved one, or one as young as the record."""
        with _gate.lock:
            if self.id is None:
                self._reserve(self.recorder.new_id())
            return cast("str", self.id)

    def _reserve(self, record_id: str) -> None:
        """Take the id, unless an interruption has taken another meanwhile."""
        self.id = self.id or record_id

    def release(self) -> None:
        """Let go of the request: a task that it left behind may hold the draft for ever."""
        self.scope = self.error = self.opening = None
        self.request_body = self.response_body = self.response_headers = None

    def __copy__(self) -> "Draft":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Draft":
        return self

    def __repr__(self) -> str:
        return f"<Draft, {'finished' if self.finished else 'running'}>"
