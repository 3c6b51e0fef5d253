"""`asgi-audit coverage`: whether all that an application serves, and that changes something, is recorded."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from asgi_audit.audited import MARK
from asgi_audit.cli.application import framework_of, load, policy_of
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.cli.output import Piece, standard_output
from asgi_audit.policy import Policy
from asgi_audit.rule import WEBSOCKET, Level

_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE", WEBSOCKET})
_TITLES: Final = ("level", "method", "route", "action")
_GOOD_STATUSES: Final = range(200, 400)


class _Line(NamedTuple):
    """A route under one method. `level` is the least that a request gets which ends well."""

    level: str
    method: str
    route: str
    action: str
    recorded: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.route}"


def run(arguments: argparse.Namespace) -> int:
    """List the routes, and fail if one is not recorded."""
    found = load(arguments.app)
    policy = policy_of(found, arguments.app)
    adapter, app = framework_of(found, arguments.app)
    lines = sorted(set(_lines(adapter.routes(app), policy)), key=lambda line: (line.route, line.method))
    missing = [line.name for line in lines if not line.recorded]
    if unknown := [each for each in arguments.allow if each not in missing]:
        raise CommandFailed(f"--allow {unknown[0]!r}: there is no such route that is not recorded", Exit.USAGE)
    if arguments.json:
        for line in lines:
            print(msgspec.json.encode({**line._asdict(), "allowed": line.name in arguments.allow}).decode())
    elif lines:
        _table(lines)
    return _verdict(lines, [name for name in missing if name not in arguments.allow], len(arguments.allow))


def _lines(routes: Iterator[tuple[Sequence[str], str, object]], policy: Policy) -> Iterator[_Line]:
    for methods, template, endpoint in routes:
        for method in _CHANGING.intersection(methods):
            verdict = policy.explain(method, template).verdict
            least = min(verdict.level(status) for status in _GOOD_STATUSES)
            action = getattr(endpoint, MARK, None) or f"{method} {template}"
            level = least.name if verdict.rule is None or not verdict.rule.required else f"{least.name}, required"
            yield _Line(level, method, template, action, least is not Level.NONE)


def _table(lines: Sequence[_Line]) -> None:
    rows = [_TITLES, *(line[:4] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out = standard_output()
    for row, line in zip(rows, [None, *lines], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        style = "bold" if line is None else "green" if line.recorded else "bold red"
        out.line(Piece(cells[0], style), Piece("  " + "  ".join(cells[1:]), "bold" if line is None else ""))


def _verdict(lines: Sequence[_Line], missing: Sequence[str], allowed: int) -> int:
    recorded = sum(line.recorded for line in lines)
    besides = f", {allowed} left out on purpose" if allowed else ""
    print(f"{recorded} of {len(lines)} routes that change something are recorded{besides}.", file=sys.stderr)
    for name in missing:
        remedy = f"add a rule to the policy, or say that it is meant: --allow {name!r}"
        print(f"not recorded: {name}: {remedy}", file=sys.stderr)
    return Exit.UNRECORDED if missing else Exit.OK
