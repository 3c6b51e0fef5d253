"""Who acts in a request, and for which tenant: as the application says, as its hooks say, as the framework knows."""

from collections.abc import Callable
from typing import TypeAlias

from asgi_audit._types import Scope
from asgi_audit.draft import Draft
from asgi_audit.failures import Failures
from asgi_audit.notes import as_actor
from asgi_audit.record import Actor
from asgi_audit.user import actor_from

Identify: TypeAlias = Callable[[Scope], Actor | str | None]
TenantOf: TypeAlias = Callable[[Scope], str | None]


class Identity:
    """Finds actors and tenants. Thread-safe, as far as the hooks are; whatever those raise is counted."""

    def __init__(self, identify: Identify | None, tenant: TenantOf | None, failures: Failures) -> None:
        self._identify = identify
        self._tenant = tenant
        self._failures = failures

    def actor_of(self, draft: Draft) -> Actor | None:
        """Who acts: as the application has said, else as `identify` says, else as the framework has authenticated."""
        scope = draft.scope
        if draft.actor_is_known or scope is None:
            return draft.actor
        if self._identify is not None:
            try:
                found = as_actor(self._identify(scope), "identify")
            except Exception as error:  # noqa: BLE001 - the application's function: its failure is not the request's
                self._failures.note("identify() raised", error)
            else:
                if found is not None:
                    return found
        try:
            known = None if draft.insight is None else actor_from(draft.insight.user())
            return actor_from(scope["user"]) if known is None and "user" in scope else known
        except Exception as error:  # noqa: BLE001 - another framework's objects, which may do anything when asked
            self._failures.note("a framework's user could not be read", error)
            return None

    def tenant_of(self, draft: Draft | None) -> str | None:
        """The tenant that the hook finds; `annotate(tenant=…)` is the better word."""
        if self._tenant is None or draft is None or draft.scope is None:
            return None
        try:
            return self._tenant(draft.scope)
        except Exception as error:  # noqa: BLE001 - the application's function: its failure is not the request's
            self._failures.note("tenant() raised", error)
            return None
