"""How a draft, an event, or something that the trail has to say becomes a record."""

import time
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from asgi_audit.draft import Capture, Draft
from asgi_audit.escape import escape
from asgi_audit.facts import Facts
from asgi_audit.failures import Failures
from asgi_audit.identity import Identity
from asgi_audit.ids import IdSource
from asgi_audit.notes import Notes
from asgi_audit.record import VERSION, Actor, Change, Error, Kind, Outcome, Record, Response, Target
from asgi_audit.redaction import Redactor
from asgi_audit.rule import REQUEST, RESPONSE, Level

_LONGEST_NAME = 1024  # characters of an id, a name, an action
_LONGEST_TEXT = 4096  # of a reason, an error message
_TALLEST = 4  # how many actors may stand behind one: impersonation is not a tower
_BODY_HEADERS = frozenset({b"content-type", b"content-encoding"})
_REPLACEABLE = frozenset({Outcome.SUCCESS, Outcome.DENIED, Outcome.FAILED, None})


class RecordFactory:
    """Makes records; all that enters one from outside passes the redactor here. Thread-safe."""

    def __init__(
        self, redact: Redactor, facts: Facts, identity: Identity, service: str | None, failures: Failures
    ) -> None:
        self._redact = redact
        self._facts = facts
        self._identity = identity
        self._service = service
        self._failures = failures
        self._ids = IdSource()

    def new_id(self) -> str:
        """A new record id."""
        return self._ids.new_id()

    def capture(self, headers: object) -> Capture:
        """What takes a body with these headers as it passes, and keeps what may be kept."""
        found: dict[bytes, bytes] = {}
        if isinstance(headers, list | tuple):
            try:
                found = {name.lower(): bytes(value) for name, value in headers if name.lower() in _BODY_HEADERS}
            except (AttributeError, TypeError, ValueError):  # no pairs of bytes
                pass
        return self._redact.capture(found.get(b"content-type"), found.get(b"content-encoding"))

    def intent(self, draft: Draft, level: Level) -> Record:
        """What is known of a request that is about to run, under an id of its own."""
        opening = draft.opening = self._facts.open(draft, level)
        record_id, salts = self._ids.new()
        return Record(
            v=VERSION,
            id=record_id,
            kind=draft.kind,
            time=_time(draft.time_ns),
            action=opening.labels.action,
            source=opening.source,
            request=self._facts.ahead(opening),
            service=self._service,
            salts=salts,
        )

    def connection(self, draft: Draft, level: Level, *, finish: bool) -> Record:
        """The record of a request or a websocket connection that has ended. With `finish`, what is said now is late."""
        fresh, salts = self._ids.new()
        record_id = draft.final_id(fresh, finish=finish)
        draft.actor, draft.actor_is_known = self._identity.actor_of(draft), True
        request, opening = self._facts.read(draft, level)
        action = opening.labels.action
        # Not one argument more: a call with more than fifteen keywords takes four times as long.
        record = Record(
            v=VERSION,
            id=record_id,
            kind=draft.kind,
            time=_time(draft.time_ns),
            action=action if request.route is None else f"{action} {request.route}",
            duration_us=(time.perf_counter_ns() - draft.clock_ns) // 1000,
            outcome=draft.outcome,
            actor=None if draft.actor is None else self._actor(draft.actor),
            source=opening.source,
            request=request,
            response=None if draft.status is None else self._response(draft, draft.status, level),
            tenant=self._tenant(draft.notes, draft),
            service=self._service,
            salts=salts,
        )
        if draft.error is not None or draft.websocket is not None:
            record = replace(record, websocket=draft.websocket, error=self._error(draft.error, level))
        return record if draft.notes is None else self._annotated(record, draft.notes)

    def event(
        self,
        record_id: str,
        notes: Notes,
        draft: Draft | None = None,
        *,
        actor: Actor | None = None,
        outcome: Outcome | None = None,
        error: BaseException | None = None,
    ) -> Record:
        """A record of its own: linked to its request's record, or with the facts of a request that has no record."""
        parent = request = source = None
        if draft is not None:
            actor = actor or self._actor_in(draft)
            if draft.certain or draft.action is not None:
                parent = draft.reserve_id()
            elif draft.scope is not None:
                request, opening = self._facts.read(draft, Level.METADATA)
                source = opening.source
        record = Record(
            v=VERSION,
            id=record_id,
            kind=Kind.EVENT,
            time=_time(time.time_ns()),
            action=Kind.EVENT,
            outcome=outcome,
            actor=self._actor(actor),
            source=source,
            request=request,
            error=self._error(error, Level.METADATA),
            parent=parent,
            tenant=self._tenant(notes, draft),
            service=self._service,
            salts=self._ids.new_salts(),
        )
        return self._annotated(record, notes)

    def own(self, kind: Kind, data: dict[str, Any]) -> Record:
        """A record of the trail's own doings; `data` is ours, so nothing in it needs redacting."""
        record_id, salts = self._ids.new()
        return Record(
            v=VERSION,
            id=record_id,
            kind=kind,
            time=_time(time.time_ns()),
            action=f"trail.{kind}",
            service=self._service,
            salts=salts,
            data=data,
        )

    def _actor_in(self, draft: Draft) -> Actor | None:
        """Who acts in the draft's request; once that is over, the actor is only inherited from it."""
        actor = self._identity.actor_of(draft)
        if actor is None or not draft.finished or draft.actor_is_late:
            return actor
        return replace(actor, source="inherited")

    def _annotated(self, record: Record, notes: Notes) -> Record:
        """With what the application has said."""
        return replace(
            record,
            action=self._text(notes.action, _LONGEST_NAME) or record.action,
            outcome=self._outcome(notes.outcome, record.outcome),
            targets=[self._target(target) for target in notes.targets] or None,
            reason=self._text(notes.reason, _LONGEST_TEXT),
            data=self._redact.value(notes.data) if notes.data else None,
            changes=[self._change(change) for change in notes.changes] or None,
        )

    def _tenant(self, notes: Notes | None, draft: Draft | None) -> str | None:
        """For whom: as the application has said, else as its hook says."""
        said = None if notes is None else notes.tenant
        return self._id(said or self._identity.tenant_of(draft))

    def _outcome(self, said: str | None, seen: Outcome | None) -> Outcome | None:
        """What the application says of an ordinary ending; of another it can't know better."""
        if said is None or seen not in _REPLACEABLE:
            return seen
        try:
            return Outcome(said)
        except ValueError:
            self._failures.note("an outcome that does not exist was given, and left out")
            return seen

    def _actor(self, actor: Actor | None, depth: int = 0) -> Actor | None:
        if actor is None:
            return None
        return Actor(
            self._id(actor.id) or "",
            type=self._text(actor.type, _LONGEST_NAME),
            name=self._text(actor.name, _LONGEST_NAME),
            source=self._text(actor.source, _LONGEST_NAME),
            on_behalf_of=None if depth == _TALLEST else self._actor(actor.on_behalf_of, depth + 1),
        )

    def _target(self, target: Target) -> Target:
        return Target(
            self._id(target.id) or "",
            type=self._text(target.type, _LONGEST_NAME),
            name=self._text(target.name, _LONGEST_NAME),
        )

    def _change(self, change: Change) -> Change:
        count = self._redact.value(change.count)
        return Change(
            operation=self._text(change.operation, _LONGEST_NAME) or "",
            type=self._text(change.type, _LONGEST_NAME) or "",
            id=self._id(change.id),
            before=self._redact.value(dict(change.before)),
            after=self._redact.value(dict(change.after)),
            count=count if isinstance(count, int) else None,
            criteria=self._text(change.criteria, _LONGEST_TEXT),
        )

    def _response(self, draft: Draft, status: int, level: Level) -> Response:
        if level < RESPONSE:
            return Response(status=status, size=draft.response_size)
        return Response(
            status=status,
            size=draft.response_size,
            headers=self._redact.headers(draft.response_headers or ()),
            body=None if draft.response_body is None else draft.response_body.finish(),
        )

    def _error(self, error: BaseException | None, level: Level) -> Error | None:
        if error is None:
            return None
        cls = type(error)
        name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
        return Error(
            type=self._text(name, _LONGEST_NAME) or "", message=self._message(error) if level >= REQUEST else None
        )

    def _message(self, error: BaseException) -> str | None:
        try:
            return self._text(str(error), _LONGEST_TEXT)
        except Exception as failure:  # noqa: BLE001 - __str__ is the application's
            self._failures.note("an exception could not be turned into text", failure)
            return None

    def _id(self, value: object) -> str | None:
        """What names something: a long number there is no payment card."""
        if value is None:
            return None
        if isinstance(value, str | bytes):
            return self._redact.identifier(value, _LONGEST_NAME)
        return escape(str(self._redact.value(value, identifiers=True)), _LONGEST_NAME)

    def _text(self, value: object, limit: int) -> str | None:
        if value is None:
            return None
        if isinstance(value, str | bytes):
            return self._redact.text(value, limit)
        return escape(str(self._redact.value(value)), limit)  # against the type hints, but not worth losing a record


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1000 / 1_000_000, UTC)
