"""How the facts of a record read in one cell of a table. No cell contains a line break: records are escaped."""

from datetime import UTC, datetime, tzinfo

from asgi_audit.record import APPLICATION_KINDS, Actor, Kind, Outcome, Record, Target
from asgi_audit.rule import WEBSOCKET

#: What colour says of an outcome: it went well, it was turned away, it broke, or nobody knows.
OUTCOME_STYLE = {
    Outcome.SUCCESS: "green",
    Outcome.DENIED: "bold yellow",
    Outcome.FAILED: "yellow",
    Outcome.ERROR: "bold red",
    Outcome.REFUSED: "bold red",
    Outcome.DISCONNECTED: "magenta",
    Outcome.CANCELLED: "magenta",
    Outcome.NO_RESPONSE: "magenta",
    Outcome.INTERRUPTED: "magenta",
}


def style_of(record: Record) -> str:
    """The colour of the record's outcome; a record of the trail itself is dim, unless it declares a loss."""
    if record.outcome is None:
        return "bold red" if record.kind is Kind.LOSS else "dim"
    return OUTCOME_STYLE[record.outcome]


def moment(time: datetime, zone: tzinfo | None = UTC) -> str:
    """`2026-11-23 15:30:12`; a zone of `None` is the machine's own."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def span(microseconds: int | None) -> str:
    """A duration in the unit that a person would choose."""
    if microseconds is None:
        return ""
    for unit, size, below in (("µs", 1, 1_000), ("ms", 1_000, 1_000_000), ("s", 1_000_000, 120_000_000)):
        if microseconds < below:
            amount = microseconds / size
            return f"{amount:.1f} {unit}" if amount < 10 and size > 1 else f"{amount:.0f} {unit}"
    minutes = microseconds // 60_000_000
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def outcome(record: Record) -> str:
    """The outcome's word; for a record of the trail itself its kind. An event need not have one."""
    return str(record.outcome or ("" if record.kind in APPLICATION_KINDS else record.kind))


def code(record: Record) -> str:
    """The status that was sent, or the code with which a websocket was closed."""
    if record.websocket is not None and record.websocket.code is not None:
        return str(record.websocket.code)
    return "" if record.status is None else str(record.status)


def action(record: Record) -> str:
    """What was done; where nothing but the method is known, the path says more."""
    request = record.request
    if request is not None and record.action in (request.method, WEBSOCKET):
        return f"{record.action} {request.path}"
    return record.action


def actor(who: Actor | None) -> str:
    """`42 (Ada) for 7`: the id first, because filters take it."""
    if who is None:
        return ""
    text = who.id if who.name is None else f"{who.id} ({who.name})"
    return text if who.on_behalf_of is None else f"{text} for {actor(who.on_behalf_of)}"


def target(what: Target) -> str:
    """`invoice 2026-117`."""
    return what.id if what.type is None else f"{what.type} {what.id}"


def targets(record: Record) -> str:
    """The first target, and how many more there are."""
    found = record.targets or []
    if len(found) < 2:
        return "".join(map(target, found))
    return f"{target(found[0])} +{len(found) - 1}"


def address(record: Record) -> str:
    """The client's address."""
    return "" if record.source is None else record.source.ip or ""
