"""`asgi-audit journal cat`: the records as they wait, without taking anything."""

import argparse
import sys
from collections.abc import Iterator, Sequence

from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.journal.places import find_places
from asgi_audit.journal.survey import Sighting, State
from asgi_audit.record import Record, encode


def run(arguments: argparse.Namespace) -> int:
    """Print them; what can't be read is said, and does not stop the rest."""
    sightings = find_places(arguments.place).survey()
    chosen = [each for each in sightings if each.writer.startswith(arguments.writer.lower())]
    if arguments.writer and not chosen:
        raise CommandFailed(f"no writer's id begins with {arguments.writer}", Exit.NOT_FOUND)
    _check_lane(arguments.lane, chosen)
    code = Exit.OK
    for sighting in chosen:
        try:
            for record in _records(sighting, arguments):
                print(encode(record).decode())
        except BrokenPipeError:
            raise
        except OSError as error:
            sighting.state, sighting.why = State.UNREADABLE, error.strerror or str(error)
        sys.stdout.flush()
        for remark in _remarks(sighting):
            print(f"asgi-audit: {sighting.path}: {remark}", file=sys.stderr)
        if sighting.state in {State.NEWER, State.UNREADABLE}:
            code = Exit.DATABASE
    return code


def _check_lane(lane: str | None, sightings: Sequence[Sighting]) -> None:
    lanes = sorted({each for sighting in sightings for each in sighting.pending})
    if lane is not None and lanes and lane not in lanes:
        raise CommandFailed(f"--lane {lane}: nothing is kept for it; there is {', '.join(lanes)}", Exit.USAGE)


def _records(sighting: Sighting, arguments: argparse.Namespace) -> Iterator[Record]:
    if arguments.lane is not None:
        start = sighting.starts.get(arguments.lane, sighting.end)
    elif arguments.pending:
        start = min(sighting.starts.values(), default=sighting.first)
    else:
        start = sighting.first
    yield from sighting.records(start)
    if arguments.intents:
        yield from sighting.begun


def _remarks(sighting: Sighting) -> Iterator[str]:
    for file, content in sighting.damaged:
        yield f"a damaged entry in {file} was passed over ({len(content)} bytes)"
    if sighting.torn:
        yield f"the last entry was never written whole ({sighting.torn} bytes)"
    if sighting.state is State.NEWER:
        yield "of a newer format, which this version of asgi-audit can't read"
    if sighting.why:
        yield sighting.why
