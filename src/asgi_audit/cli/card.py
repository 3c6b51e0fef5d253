"""One record, laid out for people: a headline, then every fact that the record holds, in groups."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from asgi_audit.cli import cells
from asgi_audit.cli.output import Output, Piece
from asgi_audit.record import Record

# The record's fields by the question that they answer. The headline has time, action and outcome; `v` and `salts` are
# for machines, and --json has them.
_GROUPS = {
    "who": ("actor", "source", "tenant"),
    "what": ("targets", "reason", "data", "changes"),
    "request": ("request",),
    "response": ("response", "websocket", "error"),
    "record": ("kind", "id", "parent", "writer", "seq", "service"),
}

# Labels that read better than the path of the field.
_LABELS = {
    "actor source": "known by",
    "source ip": "address",
    "source ip_source": "address from",
    "source port": "port",
    "source user_agent": "user agent",
    "request id": "request id",
    "websocket code": "close code",
    "error type": "error",
    "error message": "message",
}
_UNDERSTOOD = ("request ", "response ", "websocket ")  # the title of the group says it already
_PLURALS = ("targets", "changes", "request body parts", "response body parts")
_PAIRS = ("request headers", "response headers")
_LABEL_WIDTH = 18


def print_card(record: Record, out: Output, zone: tzinfo | None = UTC) -> None:
    """Print the record."""
    ending = f"{cells.outcome(record)} {cells.code(record)}"
    out.line(Piece(cells.action(record), "bold"), "  ", Piece(ending, cells.style_of(record)))
    began = f"{record.time.astimezone(zone):%Y-%m-%d %H:%M:%S.%f %Z}"
    took = "" if record.duration_us is None else f", took {cells.span(record.duration_us)}"
    out.line(Piece(began + took, "dim"))
    fields = msgspec.to_builtins(record)
    for title, names in _GROUPS.items():
        rows = [row for name in names if name in fields for row in _rows(name, fields[name])]
        if rows:
            out.line()
            out.line(Piece(title, "bold"))
        for label, value in rows:
            _print_row(label, value, out)


def _rows(path: str, value: Any) -> Iterator[tuple[str, str]]:
    """The leaves below a field, each with a label that says where it stands."""
    if path in _PAIRS:
        yield from ((f"header {name}", text) for name, text in value)
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _rows(f"{path} {key}", inner)
    elif isinstance(value, list) and value:
        one = path.removesuffix("s") if path in _PLURALS else path
        for number, inner in enumerate(value, 1):
            yield from _rows(one if len(value) == 1 else f"{one} {number}", inner)
    elif value or path != "request path":  # it is empty where the detail was erased
        yield _label(path), value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _label(path: str) -> str:
    if path in _LABELS:
        return _LABELS[path]
    path = path.replace("actor on_behalf_of", "on_behalf_of")
    for prefix in _UNDERSTOOD:
        path = path.removeprefix(prefix)
    if path.startswith(("actor", "target", "on_behalf_of")):
        path = path.removesuffix(" id")
    return path.replace("_", " ")


def _print_row(label: str, value: str, out: Output) -> None:
    """The label, and the value beside it; on a terminal a long value goes on below its beginning."""
    room = 0 if out.width is None else out.width - _LABEL_WIDTH - 4
    lines = textwrap.wrap(value, room, break_on_hyphens=False, drop_whitespace=False) if room >= 20 else [value]
    out.line("  ", Piece(f"{label:<{_LABEL_WIDTH}}", "dim"), "  ", *lines[:1])
    for line in lines[1:]:
        out.line(" " * (_LABEL_WIDTH + 4), line)
