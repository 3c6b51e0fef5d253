"""The trail: what users hold. It makes records of what has happened and sees to it that they reach the sinks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from asgi_audit.client import TrustedProxies
from asgi_audit.configuration import check, check_hooks, check_journal
from asgi_audit.context import Acting, current, outside
from asgi_audit.delivery import (
    Delivery,
    Losses,
    Mishaps,
    Outbox,
    Rejects,
    Sealing,
    SealingRoutine,
    default_path,
)
from asgi_audit.draft import Capture, Draft
from asgi_audit.factory import RecordFactory
from asgi_audit.facts import Facts
from asgi_audit.failures import Failures
from asgi_audit.health import Health, Stats, judge
from asgi_audit.identity import Identify, Identity, TenantOf
from asgi_audit.journal import AnyJournal, choose
from asgi_audit.notes import CHANGED, Notes, as_actor
from asgi_audit.policy import Policy, Verdict
from asgi_audit.record import Actor, Outcome, Target
from asgi_audit.redaction import Redactor
from asgi_audit.rule import NONE, Level
from asgi_audit.settling import Settling
from asgi_audit.sinks import AnySink, is_volatile, name_sinks
from asgi_audit.waiting import in_thread

_LONGEST_ERROR = 500  # characters of what a sink says


class AuditTrail:
    """Records what has happened, and delivers it to every sink. Thread-safe; works in any event loop and in none.

    `sinks`: URLs, sinks, plain functions; the first is the primary one. Opens itself at the first record, in every
    process anew; `with` and `async with` close it, as a short script should.
    """

    def __init__(
        self,
        *sinks: AnySink,
        policy: Policy | None = None,
        redact: Redactor | None = None,
        identify: Identify | None = None,  # who acts, from the scope, where no set_actor() said so
        tenant: TenantOf | None = None,  # for whom, from the scope, where no annotate() said so
        trusted_proxies: Iterable[str] | TrustedProxies = (),  # whose word on the client's address is taken
        journal: AnyJournal = ...,  # a directory where records wait for the sinks; None: memory; a place of its own
        service: str | None = None,  # the name of this application, on every record
        delivery: Delivery | None = None,
        seal: Sealing | None = None,  # asgi_audit.sealing.Seal: what is stored is sealed in the same thread
    ) -> None:
        named = name_sinks(sinks)
        redact = Redactor() if redact is None else redact
        proxies = trusted_proxies if isinstance(trusted_proxies, TrustedProxies) else TrustedProxies(trusted_proxies)
        delivery = Delivery() if delivery is None else delivery
        self.policy = Policy() if policy is None else policy
        check(policy=self.policy, redact=redact, delivery=delivery, seal=seal, service=service)
        check_hooks(identify=identify, tenant=tenant)
        self._failures = Failures()
        self._losses = Losses()
        self._journal = choose(
            journal,
            list(named),
            service,
            self._failures,
            required=bool(self.policy.required),
            volatile=is_volatile(next(iter(named.values()))),
        )
        check_journal(self._journal, self.policy)
        self._settling = Settling(self._journal, self._failures)
        self._identity = Identity(identify, tenant, self._failures)
        facts = Facts(redact, proxies, self._failures)
        self._factory = RecordFactory(redact, facts, self._identity, service, self._failures)
        rejects = Rejects(Path(delivery.rejected or default_path(next(iter(named)), service)))
        mishaps = Mishaps(self._failures, self._losses, rejects, lambda text: redact.text(text, _LONGEST_ERROR))
        sealing = None
        if seal is not None:
            sealing = SealingRoutine(seal.sealer(list(named.values())), seal.every, self._failures)
        self._outbox = Outbox(named, self._journal, delivery, mishaps, self._factory.own, sealing)

    def event(
        self,
        action: str,
        *,
        actor: Actor | str | None = None,
        target: Target | Sequence[Target] | None = None,
        reason: str | None = None,
        tenant: str | None = None,
        outcome: Outcome | str = Outcome.SUCCESS,
        data: Mapping[str, Any] | None = None,
    ) -> str:
        """Record something that was done, in a request or outside; return the record's id. Never raises.

        Without `actor` it is whoever acts here: `acting_as`, else the request's actor. In a request the event is linked
        to the request's record; if that request is not recorded, the event says itself where it came from.
        """
        here = current.get()
        if isinstance(here, Acting):
            draft, actor = here.draft, here.actor if actor is None else as_actor(actor, "event")
        else:
            draft, actor = here, as_actor(actor, "event")
        notes = Notes(action=action, target=target, reason=reason, tenant=tenant, outcome=outcome, data=data)
        return self._event(notes, draft, actor=actor)

    @property
    def synchronous(self) -> bool:
        """Whether a response may end only when its record is on the disk."""
        return self._journal.synchronous

    def intend(self, draft: Draft, level: Level) -> bool:
        """Have a connection on record before the application runs, if that outlives us; whether it is. Never raises."""
        if not self._journal.durable:
            return False
        try:
            intent = self._factory.intent(draft, level)
            draft.intent = intent.id
            self._outbox.intend(intent)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the application
            draft.intent = None
            self._failures.note("an intent could not be written", error)
            return False
        return True

    async def settled(self) -> bool:
        """Wait until all that was recorded is on the disk, at most for the journal's deadline; whether it is."""
        return await self._settling.wait()

    def refuse(self, draft: Draft, verdict: Verdict) -> None:
        """Record, if possible, that a connection was refused because it could not be recorded. Never raises."""
        self._failures.note("a required record could not be written: the request was refused")
        draft.outcome = Outcome.REFUSED
        self.submit(draft, verdict)

    def submit(self, draft: Draft, verdict: Verdict | None) -> None:
        """Record a connection that has ended; without a verdict, only if it has named its action. Never raises."""
        try:
            if verdict is None or (level := verdict.level(draft.counted_status)) is NONE:
                draft.finish()
                self._submit_notes(draft)
            else:
                record = self._factory.connection(draft, level, finish=True)
                draft.action = record.action
                self._outbox.put(record, draft.intent)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the application
            draft.finish()
            self._lose(error)
            self._cancel(draft)

    def hold(self, draft: Draft, verdict: Verdict) -> None:
        """Keep a provisional record: the response is over, but the application still runs. Never raises."""
        try:
            if (level := verdict.level(draft.counted_status)) is not NONE:
                record = self._factory.connection(draft, level, finish=False)
                self._outbox.hold(record, draft.intent)
                draft.action = record.action
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the application
            self._failures.note("a provisional record could not be made", error)

    def late(self, draft: Draft, notes: Notes) -> None:
        """Record what is said of a request after its record was made. Never raises."""
        notes.action = notes.action or draft.action or (CHANGED if notes.changes else None)
        if notes.action is None:
            self._failures.note("annotate() without an action, after the end of a request that is not recorded")
        else:
            self._event(notes, draft)

    def failed_late(self, draft: Draft, error: BaseException, outcome: Outcome) -> None:
        """Record that the application raised after the request's record was made, if one was. Never raises."""
        if draft.action is not None:
            self._event(Notes(action=draft.action, outcome=outcome), draft, error=error)

    def capture(self, headers: object) -> Capture:
        """What takes a body with these headers as it passes."""
        return self._factory.capture(headers)

    def note(self, kind: str, error: BaseException | None = None) -> None:
        """Count a failure of ours, and log it at most once a minute."""
        self._failures.note(kind, error)

    def new_id(self) -> str:
        """A new record id."""
        return self._factory.new_id()

    def actor_of(self, draft: Draft) -> Actor | None:
        """Who acts in a request, as far as is known."""
        return self._identity.actor_of(draft)

    def open(self) -> None:
        """Start delivering now, not at the first record."""
        self._outbox.open()

    def flush(self, timeout: float = 5.0) -> None:
        """Block until every sink has stored what was recorded so far; raises `FlushTimeout` after `timeout` seconds."""
        self._outbox.flush(timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Deliver for at most `timeout` seconds, then close the sinks. A later record opens the trail again."""
        self._outbox.close(timeout)

    async def aflush(self, timeout: float = 5.0) -> None:
        """`flush` without blocking the loop, under asyncio and trio."""
        await in_thread(lambda: self.flush(timeout))

    async def drain(self, timeout: float) -> None:
        """`aflush`, but what can't be delivered is logged. Never raises."""
        try:
            await self.aflush(timeout)
        except Exception as error:  # noqa: BLE001 - a shutdown must go on
            self._failures.note("shutting down before all was delivered", error)

    async def aclose(self, timeout: float = 5.0) -> None:
        """`close` without blocking the loop, under asyncio and trio."""
        await in_thread(lambda: self.close(timeout))

    def stats(self) -> Stats:
        """Counts of what was accepted, delivered, pending and lost, by sink; and of our own failures."""
        return self._outbox.stats({**self._failures.counts(), **outside.counts()})

    def health(self) -> Health:
        """Whether all is well, and in words what is not."""
        failures = self._failures.recent()
        return judge(
            self.stats(),
            failures,
            problems=self._journal.problems(),
            notes=self._journal.notes(),
            running=self._outbox.running,
        )

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _event(
        self,
        notes: Notes,
        draft: Draft | None,
        *,
        actor: Actor | None = None,
        outcome: Outcome | None = None,
        error: BaseException | None = None,
    ) -> str:
        record_id = self.new_id()
        try:
            self._outbox.put(self._factory.event(record_id, notes, draft, actor=actor, outcome=outcome, error=error))
        except Exception as failure:  # noqa: BLE001 - whatever it is, it must not reach the application
            self._lose(failure)
        return record_id

    def _submit_notes(self, draft: Draft) -> None:
        """What is said of a connection that is not recorded makes an event of it, if there is an action or a change."""
        actor = draft.actor = self.actor_of(draft)
        draft.actor_is_known, notes = True, draft.notes
        if notes is None or not (notes.action or notes.changes):
            self._cancel(draft)
            return
        notes.action = notes.action or CHANGED
        event = self._factory.event(
            draft.final_id(self.new_id()), notes, draft, actor=actor, outcome=draft.outcome, error=draft.error
        )
        draft.action = event.action  # from now on there is a record, to which late notes are linked
        self._outbox.put(event, draft.intent)

    def _cancel(self, draft: Draft) -> None:
        if draft.intent is None:
            return
        try:
            self._outbox.cancel(draft.intent)
        except Exception as error:  # noqa: BLE001 - a journal may fail as any file may
            self._failures.note("an intent could not be cancelled", error)

    def _lose(self, error: Exception) -> None:
        self._losses.add("the record could not be made")
        self._failures.note("a record could not be made", error)
