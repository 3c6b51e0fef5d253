"""The table of records.

A file or a pipe gets every column whole. A terminal gets what fits: a narrow one loses the address and the duration,
has the date on a line of its own, and its longest cells end in an ellipsis.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, tzinfo
from functools import partial
from typing import NamedTuple
from unicodedata import combining, east_asian_width

from asgi_audit.cli import cells
from asgi_audit.cli.output import Piece
from asgi_audit.record import Record

GAP = "  "
# From so many cells on, an ordinary row has room for the whole time and names, then the duration, then everything.
_MEDIUM = 112
_LARGE = 140
_WIDE = 170


class Column(NamedTuple):
    """One column. `least` is how narrow it may be made, None if never; `right` aligns numbers."""

    title: str
    cell: Callable[[Record], str]
    least: int | None = None
    style: str | Callable[[Record], str] = ""
    right: bool = False


def cell_width(text: str) -> int:
    """How many terminal cells the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells; what is missing shows as an ellipsis."""
    if cell_width(text) <= width:
        return text
    while text and cell_width(text) >= width:
        text = text[:-1]
    return text + "…"


def fit(natural: Sequence[int], least: Sequence[int | None], room: int) -> list[int]:
    """Widths that fit the room: one cell at a time from the widest column that may still give one."""
    widths = list(natural)
    while sum(widths) > room:
        giving = [i for i, floor in enumerate(least) if floor is not None and widths[i] > floor]
        if not giving:
            break
        widths[max(giving, key=widths.__getitem__)] -= 1
    return widths


def short_id(record: Record) -> str:
    """The id as far as it is unique within one writer; `show` takes it for the whole."""
    return record.id[:18]


def shorter_id(record: Record) -> str:
    """The id as far as it is the time in milliseconds."""
    return record.id[:13]


def _columns(width: int | None, zone: tzinfo | None) -> list[Column]:
    whole = width is None or width >= _WIDE
    narrow = width is not None and width < _MEDIUM
    columns = [
        Column("time", partial(_clock if narrow else _moment, zone=zone), style="dim"),
        Column("outcome", cells.outcome, style=cells.style_of),
        Column("code", cells.code, style=cells.style_of, right=True),
        Column("action", cells.action, least=18),
        Column("actor", _actor_id if narrow else _actor, least=5),
        Column("target", _target_id if narrow else cells.targets, least=6),
    ]
    if whole:
        columns.append(Column("ip", cells.address, least=9))
    if width is None or width >= _LARGE:
        columns.append(Column("duration", lambda record: cells.span(record.duration_us), style="dim", right=True))
    return [*columns, Column("id", _id if whole else shorter_id if narrow else short_id, style="dim")]


def _moment(record: Record, zone: tzinfo | None) -> str:
    return cells.moment(record.time, zone)


def _clock(record: Record, zone: tzinfo | None) -> str:
    return _moment(record, zone)[11:]


def _actor(record: Record) -> str:
    return cells.actor(record.actor)


def _actor_id(record: Record) -> str:
    return "" if record.actor is None else record.actor.id


def _target_id(record: Record) -> str:
    return record.targets[0].id if record.targets else ""


def _id(record: Record) -> str:
    return record.id


class Table:
    """Lines for records that arrive in chunks: columns widen when a later chunk needs it, and never shrink again."""

    def __init__(self, width: int | None = None, zone: tzinfo | None = UTC) -> None:
        self._width = width
        self._zone = zone
        self._columns = _columns(width, zone)
        self._natural = [len(column.title) for column in self._columns]
        self._dates = width is not None and width < _MEDIUM  # on lines of their own
        self._date = ""
        self._begun = False

    def lines(self, records: Iterable[Record]) -> Iterator[Sequence[Piece]]:
        """The rows, below the titles if they are the first."""
        chunk = list(records)
        rows = [[column.cell(record) for column in self._columns] for record in chunk]
        for row in rows:
            self._natural = [max(width, cell_width(text)) for width, text in zip(self._natural, row, strict=True)]
        widths = self._widths()
        if not self._begun:
            self._begun = True
            yield self._line([column.title for column in self._columns], ["bold"] * len(widths), widths)
        for record, row in zip(chunk, rows, strict=True):
            yield from self._new_date(record)
            yield self._line(row, [_style(column, record) for column in self._columns], widths)

    def _widths(self) -> list[int]:
        if self._width is None:
            return self._natural
        room = self._width - len(GAP) * (len(self._columns) - 1)
        return fit(self._natural, [column.least for column in self._columns], room)

    def _new_date(self, record: Record) -> Iterator[Sequence[Piece]]:
        date = cells.moment(record.time, self._zone)[:10]
        if self._dates and self._date != date:
            self._date = date
            yield [Piece(date, "bold")]

    def _line(self, row: Sequence[str], styles: Sequence[str], widths: Sequence[int]) -> list[Piece]:
        pieces = []
        for text, style, width, column in zip(row, styles, widths, self._columns, strict=True):
            shown = cut(text, width)
            blank = " " * (width - cell_width(shown))
            pieces += [Piece(blank + shown if column.right else shown + blank, style), Piece(GAP)]
        return pieces


def _style(column: Column, record: Record) -> str:
    return column.style if isinstance(column.style, str) else column.style(record)
