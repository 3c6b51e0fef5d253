"""Who acts, and what is to be said about it: the verbs that an application calls from anywhere in a request.

One context variable holds one object. The verbs change that object, not the variable, so they work from child tasks,
threads and dependencies, whose changes to a context variable nobody else would see.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import TypeAlias, Unpack

from asgi_audit.draft import Draft
from asgi_audit.failures import Failures
from asgi_audit.notes import About, Annotation, Notes, as_actor
from asgi_audit.record import Actor


class Acting:
    """A block of code in which somebody acts: a job, a script, a consumer, or a part of a request."""

    __slots__ = ("actor", "draft")

    def __init__(self, actor: Actor | None, draft: Draft | None) -> None:
        self.actor = actor
        self.draft = draft


#: Calls that reached no request.
outside = Failures()
_OUTSIDE = (
    "called outside a request that an AuditMiddleware serves, so it did nothing; use trail.event(), or acting_as()"
)

Current: TypeAlias = Draft | Acting | None
current: ContextVar[Current] = ContextVar("asgi_audit", default=None)


def current_actor() -> Actor | None:
    """Who acts here: as said by `acting_as` or `set_actor`, else as the framework has authenticated; or `None`."""
    here = current.get()
    if isinstance(here, Draft):
        return here.recorder.actor_of(here)
    return None if here is None else here.actor


def set_actor(actor: Actor | str | None, **about: Unpack[About]) -> None:
    """Say who acts in this request or block: an `Actor`, or an id with `type=`, `name=`, `on_behalf_of=`.

    `None` for nobody. Elsewhere it does nothing, and the log says so. Raises nothing but the `TypeError` of a misspelt
    keyword.
    """
    known = as_actor(actor, "set_actor", **about)
    here = current.get()
    if isinstance(here, Draft):
        here.set_actor(known)
    elif here is not None:
        here.actor = known
    else:
        outside.note(_OUTSIDE, detail="set_actor()")


def annotate(**annotation: Unpack[Annotation]) -> None:
    """Add to this request's record: `action=`, `target=`, `reason=`, `tenant=`, `outcome=`, `data=`.

    May be called several times: targets and data add up, of the rest the last word counts. An `action` makes a record
    of a request that the policy skips, as an event; `outcome` replaces `success`, `denied` or `failed`, never a more
    honest one. After the record was made it makes an event record that names the first one as its parent. Outside a
    request it does nothing, and the log says so. Raises nothing but the `TypeError` of a misspelt keyword.
    """
    notes = Notes(**annotation)
    here = current.get()
    draft = here.draft if isinstance(here, Acting) else here
    if draft is None:
        outside.note(_OUTSIDE, detail="annotate()")
    else:
        draft.note(notes)


@contextmanager
def acting_as(actor: Actor | str, **about: Unpack[About]) -> Iterator[None]:
    """Within the block `actor` acts: events are recorded in its name. A request's own record is not touched.

    A dependency that is a synchronous generator can't use it: what it sets is current in another thread alone. Let it
    call `set_actor`.
    """
    here = current.get()
    token = current.set(Acting(as_actor(actor, "acting_as", **about), here.draft if isinstance(here, Acting) else here))
    try:
        yield
    finally:
        restore(token)


def restore(token: Token[Current]) -> None:
    """Put back what was current before."""
    try:
        current.reset(token)
    except ValueError:
        # Another context: a coroutine was dropped, or a generator was begun in one thread and ended in another, as
        # frameworks do with synchronous dependencies. There is nothing to put back in this one.
        pass
