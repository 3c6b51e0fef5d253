"""The gate: one pure ASGI callable around any application."""

import time
from collections.abc import Sequence
from typing import NoReturn, TypeAlias, cast

from asgi_audit._types import AnyASGIApp, ASGIApp, Receive, Scope, Send
from asgi_audit.context import current, restore
from asgi_audit.draft import KEY, Draft
from asgi_audit.endings import raised
from asgi_audit.errors import ConfigurationError
from asgi_audit.exchange import Exchange
from asgi_audit.lifespan import lifespan
from asgi_audit.policy import Verdict
from asgi_audit.refusal import refuse
from asgi_audit.rule import NONE, Rule
from asgi_audit.sinks import AnySink
from asgi_audit.trail import AuditTrail
from asgi_audit.websocket import WebSocketExchange

#: A trail, or what one is made of: a URL, a sink, or a list of them.
AnyTrail: TypeAlias = AuditTrail | AnySink | Sequence[AnySink]

_CONNECTIONS = frozenset({"http", "websocket"})


class AuditMiddleware:
    """Records what passes through it, and changes nothing.

    `trail`: an `AuditTrail`, or what one is made of: a URL, a sink, or a list of them. Where two of these wrap an
    application, the outer one records.
    """

    def __init__(self, app: AnyASGIApp, trail: AnyTrail) -> None:
        self.app = cast("ASGIApp", app)
        self.trail = _as_trail(trail)
        self._decide = self.trail.policy.decide

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        kind = scope["type"]
        if kind == "lifespan":
            await lifespan(self.app, self.trail, scope, receive, send)
        elif kind not in _CONNECTIONS or KEY in scope:
            await self.app(scope, receive, send)
        elif (verdict := self._verdict(scope)).capture is not NONE:
            await self._record(verdict, scope, receive, send)
        else:
            # Not recorded: leave a draft, in case the request names its action, and watch nothing.
            draft = scope[KEY] = Draft(self.trail, scope)
            token = current.set(draft)
            try:
                await self.app(scope, receive, send)
            except BaseException as error:
                draft.outcome, draft.error = raised(error), error
                raise
            finally:
                restore(token)
                draft.finish()
                if draft.notes is not None:
                    self.trail.submit(draft, None)
                # What this request leaves behind must not hold on to it.
                draft.release()

    def __rsgi_init__(self, _loop: object) -> NoReturn:
        """What granian calls first where it was not told to speak ASGI: then no request could be served."""
        raise ConfigurationError("interface", "rsgi", "serve it as ASGI: granian --interface asgi")

    async def _record(self, verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
        draft = scope[KEY] = Draft(self.trail, scope)
        draft.time_ns = time.time_ns()
        draft.clock_ns = time.perf_counter_ns()
        draft.certain = not verdict.conditional
        exchange = (
            Exchange(self.trail, draft, verdict, scope, receive, send)
            if scope["type"] == "http"
            else WebSocketExchange(self.trail, draft, verdict, receive, send)
        )
        rule = verdict.rule
        if rule is not None and rule.required and not await self._secured(draft, rule, exchange):
            await refuse(self.trail, draft, verdict, scope, receive, send)
            return
        token = current.set(draft)
        try:
            if rule is not None and rule.level is not NONE and draft.intent is None:
                self.trail.intend(draft, rule.level)
            await self.app(scope, exchange.receive, exchange.sender)
        except BaseException as error:
            exchange.end(error)
            raise
        else:
            exchange.end(None)
        finally:
            restore(token)

    async def _secured(self, draft: Draft, rule: Rule, exchange: Exchange | WebSocketExchange) -> bool:
        """See to it that the connection is on record, as durably as the journal can, before the application runs."""
        try:
            return self.trail.intend(draft, rule.level) and await self.trail.settled()
        except BaseException as error:  # called off while it waited
            exchange.end(error)
            raise

    def _verdict(self, scope: Scope) -> Verdict:
        try:
            return self._decide(scope)
        except Exception as error:  # noqa: BLE001 - a scope may lack what the specification promises
            self.trail.note("the policy could not decide, so the request was not recorded", error)
            return Verdict(None)


def _as_trail(given: AnyTrail) -> AuditTrail:
    if isinstance(given, AuditTrail):
        return given
    return AuditTrail(*given) if isinstance(given, list | tuple) else AuditTrail(cast("AnySink", given))
