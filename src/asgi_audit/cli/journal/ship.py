"""`asgi-audit journal ship`: what dead writers have left is delivered, without their application."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from asgi_audit.cli.database import database_url
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.journal.places import VARIABLE, Places, find_places
from asgi_audit.cli.journal.shipment import Shipment
from asgi_audit.cli.journal.shipping import Shipping
from asgi_audit.journal.survey import Sighting, State
from asgi_audit.sinks import name_sinks
from asgi_audit.sqlalchemy import SQLAlchemySink


def run(arguments: argparse.Namespace) -> int:
    """Deliver it."""
    url = arguments.to or os.environ.get(VARIABLE)
    if not url:
        raise CommandFailed(f"where to? give --to with the URL of a sink, or set {VARIABLE}", Exit.USAGE)
    places = find_places(arguments.place or url)
    ((name, sink),) = name_sinks([url if "://" in url else SQLAlchemySink(database_url(url))]).items()
    sightings = places.survey()
    dead = [sighting for sighting in sightings if sighting.state is State.DEAD]
    lane = _lane(arguments.lane, dead, name)
    shipment = Shipment(places.directories, lane)
    try:
        if dead:
            Shipping(shipment, name, sink, _service(dead)).run()
    finally:
        shipment.release()
        left = places.survey()
        _report(places, shipment, lane, name, left)
    refused = [each for each in left if each.state in {State.NEWER, State.UNREADABLE} or _owed(each, lane)]
    return Exit.DATABASE if refused else Exit.OK


def _lane(asked: str | None, dead: Sequence[Sighting], name: str) -> str:
    """Whose records to deliver: those of the sink, unless it says otherwise."""
    waiting: Counter[str] = Counter()
    for sighting in dead:
        waiting.update({lane: count + len(sighting.begun) for lane, count in sighting.pending.items()})
    lanes = ", ".join(f"{lane} ({count})" for lane, count in sorted(waiting.items()))
    if asked is not None:
        if waiting and asked not in waiting:
            raise CommandFailed(f"--lane {asked}: nothing is kept for it; there is {lanes}", Exit.USAGE)
        return asked
    same = [lane for lane in waiting if _same_file(lane, name)]
    if name in waiting or not waiting:
        return name
    if len(same) == 1:
        return same[0]
    raise CommandFailed(
        f"nothing is kept for {name}; name what is to be delivered there with --lane: {lanes}", Exit.USAGE
    )


def _same_file(lane: str, name: str) -> bool:
    """Whether both may be one SQLite file, whose path an application may have given relative to where it ran."""
    scheme, _, relative = lane.partition(":///")
    parts = Path(relative).parts
    return (
        scheme == "sqlite"
        and name.startswith("sqlite:///")
        and Path(name[10:]).absolute().parts[-len(parts) :] == parts
    )


def _service(dead: Sequence[Sighting]) -> str | None:
    """That of the dead writers: what recovery adds is said in its name."""
    known = [record for sighting in dead for record in [sighting.oldest, *sighting.begun] if record is not None]
    return next((record.service for record in known), None)


def _owed(sighting: Sighting, lane: str) -> int:
    """How many records a dead writer's directory still holds for the lane."""
    if sighting.state is not State.DEAD or lane not in sighting.pending:
        return 0
    return sighting.pending[lane] + len(sighting.begun)


def _report(places: Places, shipment: Shipment, lane: str, name: str, left: Sequence[Sighting]) -> None:
    """Say what was done, and what is still there."""
    remaining = sum(_owed(each, lane) for each in left)
    writers = len(shipment.consignments)
    if not places.directories:
        print(f"Nothing to ship: there is no {places.where}.", file=sys.stderr)
    elif not writers and not remaining:
        print(f"Nothing to ship: no dead writer has left anything for {lane}.", file=sys.stderr)
    else:
        rest = f"; {remaining} still wait" if remaining else ""
        print(f"Delivered to {name}: {_some(shipment.delivered, 'record')} of {_some(writers, 'dead writer')}{rest}.")
    states = Counter(each.state for each in left)
    alone = [f"{states[state]} {state}" for state in State if state is not State.DEAD and states[state]]
    if alone:
        print(f"Left alone: {', '.join(alone)}.", file=sys.stderr)
    others: Counter[str] = Counter()
    for each in left:
        others.update({other: _owed(each, other) for other in each.pending if other != lane})
    for other, count in sorted(others.items()):
        if count:
            print(f"For {other} {_some(count, 'record')} of dead writers still wait (--lane).", file=sys.stderr)


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
