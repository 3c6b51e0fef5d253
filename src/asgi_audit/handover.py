"""Where changes of rows go once they are committed, and where failures to see them are counted."""

from typing import Final

from asgi_audit.context import Acting, Current, current, outside
from asgi_audit.draft import Draft
from asgi_audit.notes import Notes
from asgi_audit.record import Outcome
from asgi_audit.tally import Tally
from asgi_audit.trail import AuditTrail

_HOMELESS: Final = "changes outside of any request were not recorded: give capture_changes() a trail"


def origin() -> Current:
    """The request that changes are made in, or who acts outside of any."""
    here = current.get()
    return here.draft if isinstance(here, Acting) and here.draft is not None else here


def hand_over(here: Current, tally: Tally, trail: AuditTrail | None) -> None:
    """Put what was committed on the request's record; outside of any, make it an event of the trail."""
    notes = Notes()
    notes.changes = tally
    if isinstance(here, Draft):
        here.note(notes)
    elif trail is None:
        outside.note(_HOMELESS)
    else:
        alone = Draft(trail, {})
        alone.scope = None  # there is no request to be read
        alone.actor, alone.actor_is_known = None if here is None else here.actor, True
        alone.outcome = Outcome.SUCCESS
        alone.note(notes)
        trail.submit(alone, None)


def note(trail: AuditTrail | None, kind: str, error: BaseException | None = None) -> None:
    """Count a failure, where it is most likely seen."""
    here = origin()
    (here.recorder if isinstance(here, Draft) else trail or outside).note(kind, error)
