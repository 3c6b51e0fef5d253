from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.cli.output import Piece, text_of
from asgi_audit.cli.table import Table, cell_width, cut, fit
from asgi_audit.record import Actor, Record, Request, Target
from tests.cli.sample import a_record


def printed(table: Table, records: Iterable[Record]) -> list[str]:
    """The lines as plain text."""
    return [text_of(pieces) for pieces in table.lines(records)]


def test_a_pipe_gets_every_column_whole() -> None:
    """Columns are aligned, and nothing is cut however long it is."""
    long = "x" * 300
    record = a_record(action=long)
    titles, row = printed(Table(), [record])
    assert titles.split() == ["time", "outcome", "code", "action", "actor", "target", "ip", "duration", "id"]
    who_and_what = f"{long}  grace (Grace Hopper)  invoice 2026-001"
    assert row == f"2026-11-23 15:30:12  denied    403  {who_and_what}  192.0.2.1    1.2 ms  {record.id}"
    assert titles.index("target") == row.index("invoice 2026-001")


@pytest.mark.parametrize("width", [80, 100, 112, 120, 160, 200])
def test_a_terminal_gets_what_fits(width: int) -> None:
    """No row is wider than the terminal, and what was cut ends in an ellipsis."""
    records = [
        a_record(),
        a_record(action="x" * 300, actor=Actor("y" * 300), targets=[Target("z" * 300)]),
        a_record(request=Request(path="/a" * 200, method="POST"), action="POST"),
    ]
    lines = printed(Table(width), records)
    assert all(cell_width(line) <= width for line in lines)
    assert sum("…" in line for line in lines) >= 2


def test_a_narrow_terminal_has_the_date_on_a_line_of_its_own() -> None:
    """It stands there once, until the date changes."""
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    times = [noon, noon + timedelta(hours=1), noon + timedelta(hours=13)]
    lines = printed(Table(80), [a_record(time=time) for time in times])
    assert [line.split()[0] for line in lines] == [
        *("time", "2026-11-23", "12:00:00", "13:00:00"),
        *("2026-11-24", "01:00:00"),
    ]


def test_the_titles_stand_once_above_records_that_arrive_in_chunks() -> None:
    """A column widens when a later chunk needs it."""
    table = Table()
    first = printed(table, [a_record(action="a")])
    second = printed(table, [a_record(action="much longer")])
    third = printed(table, [a_record(action="a")])
    assert len(first) == 2
    assert len(second) == len(third) == 1
    assert third[0].index("grace") == second[0].index("grace") > first[1].index("grace")


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    """Columns stay aligned below a name in any script."""
    assert cell_width("ada") == 3
    assert cell_width("日本") == 4
    assert cell_width("e\u0301") == 1
    assert cut("日本語", 4) == "日…"
    lines = printed(Table(), [a_record(actor=Actor("日本の会社")), a_record(actor=Actor("1234567890"))])
    assert lines[1].index("invoice 2") == lines[2].index("invoice 2") - 5


@given(st.text(max_size=40), st.integers(min_value=1, max_value=30))
def test_cut_text_fits_and_is_a_beginning(text: str, width: int) -> None:
    """Text that fits is untouched; other text loses its end and shows it."""
    shown = cut(text, width)
    assert cell_width(shown) <= width
    assert shown == text if cell_width(text) <= width else shown.endswith("…") and text.startswith(shown[:-1])


@given(st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(1, 20)), min_size=1), st.integers(0, 200))
def test_columns_give_way_down_to_their_least_width(columns: Sequence[tuple[int, int | None]], room: int) -> None:
    """They fit if they can; none grows, and none falls below what it must have."""
    natural, least = [width for width, _ in columns], [floor for _, floor in columns]
    widths = fit(natural, least, room)
    floors = [width if floor is None else min(width, floor) for width, floor in columns]
    assert all(floor <= width <= had for floor, width, had in zip(floors, widths, natural, strict=True))
    assert sum(widths) <= room or widths == floors
    assert sum(widths) == sum(natural) or sum(widths) >= room


def test_the_outcome_is_coloured() -> None:
    """A piece carries its style; plain output forgets it."""
    row = list(Table().lines([a_record()]))[1]
    assert Piece("denied ", "bold yellow") in row
