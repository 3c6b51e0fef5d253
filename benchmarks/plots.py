"""Plots of tables, as SVG that is the same for the same figures."""

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Drawing

from benchmarks.results import Cell, Figure, Plot, Table

mpl.rcParams.update({"svg.hashsalt": "asgi-audit", "svg.fonttype": "none", "font.size": 9})
_WIDTH: Final = 8.0  # inches
_BAR: Final = 0.28


def draw(table: Table, plot: Plot, path: Path) -> None:
    """Write the plot of a table."""
    if plot.kind == "bars":
        drawing = Drawing(figsize=(_WIDTH, 1 + _BAR * len(table.rows) * len(plot.columns)), layout="constrained")
        _bars(drawing.subplots(), table, plot)
    else:
        drawing = Drawing(figsize=(_WIDTH, _WIDTH / 2), layout="constrained")
        _lines(drawing.subplots(), table, plot)
    drawing.savefig(path, format="svg", metadata={"Date": None}, transparent=False)
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")


def _bars(axes: Any, table: Table, plot: Plot) -> None:
    height = 0.8 / len(plot.columns)
    names = [str(row[0]) for row in table.rows]
    for number, column in enumerate(plot.columns):
        figures = [_figure(row[table.columns.index(column)]) for row in table.rows]
        places = [at + number * height for at in range(len(figures))]
        spread = [
            [max(each.median - each.low, 0) for each in figures],
            [max(each.high - each.median, 0) for each in figures],
        ]
        axes.barh(places, [each.median for each in figures], height, xerr=spread, label=column, error_kw={"lw": 0.8})
    axes.set_yticks([at + 0.4 - height / 2 for at in range(len(names))], names)
    axes.invert_yaxis()
    axes.set_xlabel(plot.unit)
    if plot.log:
        axes.set_xscale("log")
    if len(plot.columns) > 1:
        axes.legend()


def _lines(axes: Any, table: Table, plot: Plot) -> None:
    over = [float(str(row[0]).replace(",", "")) for row in table.rows]
    for column in plot.columns:
        figures = [_figure(row[table.columns.index(column)]) for row in table.rows]
        (line,) = axes.plot(over, [each.median for each in figures], marker="o", markersize=3, label=column)
        axes.fill_between(
            over, [each.low for each in figures], [each.high for each in figures], alpha=0.2, color=line.get_color()
        )
    axes.set_xlabel(table.columns[0])
    axes.set_ylabel(plot.unit)
    axes.set_ylim(bottom=None if plot.log else 0)
    axes.set_xscale("log")
    if plot.log:
        axes.set_yscale("log")
    axes.legend()


def _figure(cell: Cell) -> Figure:
    if isinstance(cell, Figure):
        return cell
    return Figure(*[float("nan") if cell is None or isinstance(cell, str) else float(cell)] * 3)
