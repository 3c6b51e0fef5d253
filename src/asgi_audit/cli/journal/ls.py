"""`asgi-audit journal ls`: who has written, who lives, and what waits for which sink since when."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from asgi_audit.cli.cells import moment
from asgi_audit.cli.exits import Exit
from asgi_audit.cli.journal.places import Places, find_places
from asgi_audit.cli.output import Piece, standard_output
from asgi_audit.journal.survey import Sighting, State

_TITLES = ("writer", "state", "since", "begun", "damaged", "size", "pending")
_STYLES = {
    State.LIVE: "green",
    State.DEAD: "bold yellow",
    State.ADOPTED: "green",
    State.NEWER: "bold red",
    State.UNREADABLE: "bold red",
}
#: Characters of a writer's id that are shown; `cat --writer` takes them.
_SHORT = 8


def run(arguments: argparse.Namespace) -> int:
    """List the writers."""
    places = find_places(arguments.place)
    sightings = places.survey()
    if arguments.json:
        for sighting in sightings:
            print(msgspec.json.encode(_facts(sighting)).decode())
    elif sightings:
        _table(sightings, None if arguments.local else UTC)
    for sentence in _sentences(places, sightings):
        print(sentence, file=sys.stderr)
    return Exit.OK


def _facts(sighting: Sighting) -> dict[str, Any]:
    return {
        "journal": str(sighting.path.parent),
        "writer": sighting.writer,
        "state": sighting.state,
        "since": sighting.since,
        "pending": sighting.pending,
        "begun": len(sighting.begun),
        "damaged": len(sighting.damaged),
        "size": sighting.bytes,
        **({"reason": sighting.why} if sighting.why else {}),
    }


def _table(sightings: Sequence[Sighting], zone: tzinfo | None) -> None:
    rows = [_TITLES, *(_row(sighting, zone) for sighting in sightings)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out = standard_output()
    for row, sighting in zip(rows, [None, *sightings], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        style = "bold" if sighting is None else ""
        state = style if sighting is None else _STYLES[sighting.state]
        out.line(Piece(f"{cells[0]}  ", style), Piece(f"{cells[1]}  ", state), Piece("  ".join(cells[2:]), style))


def _row(sighting: Sighting, zone: tzinfo | None) -> tuple[str, ...]:
    pending = [f"{count} for {lane}" for lane, count in sighting.pending.items() if count]
    return (
        sighting.writer[:_SHORT],
        sighting.state,
        "" if sighting.since is None else moment(sighting.since, zone),
        _number(len(sighting.begun)),
        _number(len(sighting.damaged)),
        f"{sighting.bytes / 2**20:.1f} MiB",
        ", ".join([*pending, *([sighting.why] if sighting.why else [])]),
    )


def _number(count: int) -> str:
    return str(count) if count else ""


def _sentences(places: Places, sightings: Sequence[Sighting]) -> list[str]:
    """What follows from it."""
    if not places.directories:
        return [f"There is no {places.where}."]
    if not sightings:
        return [f"Nothing is pending: no writer has left anything in {', '.join(map(str, places.directories))}."]
    states = [sighting.state for sighting in sightings]
    said = []
    if (
        not any(sum(each.pending.values()) or each.begun or each.why for each in sightings)
        and State.NEWER not in states
    ):
        said.append("Nothing is pending.")
    if dead := states.count(State.DEAD):
        left = "A dead writer has left something" if dead == 1 else f"{dead} dead writers have left something"
        said.append(
            f"{left}: the application takes it over when it runs, or `asgi-audit journal ship` delivers it now."
        )
    return said
