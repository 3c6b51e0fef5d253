"""What a request has told us so far.

A draft is in two places while its request runs: in the context variable and in the scope. Behind layers that run the
application in another task or thread, or that copy the scope, one of the two may be lost, but both lead to this one
object.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol, Unpack, cast

from asgi_audit import process
from asgi_audit._types import Scope
from asgi_audit.endings import raised
from asgi_audit.notes import About, Annotation, Notes, as_actor
from asgi_audit.opening import Opening
from asgi_audit.record import Actor, Body, Change, Kind, Outcome, WebSocket

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

    def failed_late(self, draft: "Draft", error: BaseException, outcome: Outcome) -> None:
        """Record an exception that came after the draft's record was made."""

    def note(self, kind: str, error: BaseException | None = None) -> None:
        """Count a failure of ours."""

    def actor_of(self, draft: "Draft") -> Actor | None:
        """Who acts in the draft's request, as far as is known."""


class Insight(Protocol):
    """What a framework knows of a request and the scope does not show. An adapter gives it to the draft.

    Asked when the record is made, or earlier for the actor; from any thread. Whatever it raises is counted, and costs
    the record no more than this.
    """

    def route(self) -> str | None:
        """The template of the route that was taken, as `/users/{id}`."""

    def params(self) -> Mapping[str, Any] | None:
        """The path parameters, as the framework has converted them."""

    def user(self) -> object:
        """Whom the framework's authentication has verified, as far as it was asked: an `Actor`, or its own user."""


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
    insight: Insight | None = None  # where the scope does not show it
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
        #: As the server gave it: layers further in may put other things into it.
        self.origin: Scope = dict(scope)

    @property
    def counted_status(self) -> int | None:
        """What counts as the status: an exception without a response becomes a 500."""
        return 500 if self.status is None and self.error is not None else self.status

    def set_actor(self, actor: Actor | str | None, **about: Unpack[About]) -> None:
        """Say who acts; `None` for nobody."""
        self.actor = as_actor(actor, "set_actor", **about)
        self.actor_is_known = True
        self.actor_is_late = self.finished

    def annotate(self, **annotation: Unpack[Annotation]) -> None:
        """Add to the record; once that is made, to the trail, as an event record of its own that names it as parent."""
        self.note(Notes(**annotation))

    def fail(self, error: BaseException) -> None:
        """Tell of an exception that the framework keeps to itself, and answers with a 500."""
        with _gate.lock:
            if not self.finished:
                self.error, self.outcome = error, raised(error)
                return
        self.recorder.failed_late(self, error, raised(error))

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

    def final_id(self, fresh: str, *, finish: bool = False) -> str:
        """The id that the record gets, now that it is made: the reserved one, or one as young as the record.

        With `finish`, annotations are late from now on.
        """
        with _gate.lock:
            self.finished = self.finished or finish
            self._reserve(fresh)
            return cast("str", self.id)

    def _reserve(self, record_id: str) -> None:
        """Take the id, unless an interruption has taken another meanwhile."""
        self.id = self.id or record_id

    def release(self) -> None:
        """Let go of the request: a task that it left behind may hold the draft for ever."""
        self.scope = self.error = self.opening = self.insight = None
        self.origin = {}
        self.request_body = self.response_body = self.response_headers = None

    def __copy__(self) -> "Draft":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Draft":
        return self

    def __repr__(self) -> str:
        return f"<Draft, {'finished' if self.finished else 'running'}>"
