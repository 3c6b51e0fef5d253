"""What an application says of a request: who acts, and what is done."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, Unpack, cast

import msgspec

from asgi_audit.record import Actor, Change, Outcome, Target
from asgi_audit.tally import Tally

CHANGED: Final = "data.change"  # the action of a record that is there for its changes alone


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
        self.changes: list[Change] = Tally()

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
