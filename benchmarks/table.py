"""A table in Markdown, for the eye and for other programs."""

from collections.abc import Iterable, Sequence

from benchmarks.results import Figure


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The first column to the left, the others, which are numbers, to the right; a missing one is a dash."""
    cells = [[_text(each) for each in row] for row in [head, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(text.rjust(width) if at else text.ljust(width) for at, (text, width) in pairs) + " |"
        for pairs in (enumerate(zip(row, widths, strict=True)) for row in cells)
    ]
    rule = "|" + "|".join("-" * (width + 1) + ("-" if not at else ":") for at, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Figure):
        return f"{_number(value.median)} ({_number(value.low)}–{_number(value.high)})"
    return _number(value) if isinstance(value, int | float) else str(value)


def _number(value: float) -> str:
    """Three digits that count, and no more than there are."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
