"""What a run has measured: figures in tables, and the goals they are held against. Becomes JSON, and comes back."""

from collections.abc import Iterable, Sequence
from statistics import quantiles
from typing import Literal, Self, TypeAlias

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """The median of repetitions, and its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The figure of what the repetitions gave."""
        given = list(values)
        low, median, high = quantiles(given, n=4, method="inclusive") if len(given) > 1 else given * 3
        return cls(median, low, high)

    def per(self, unit: float) -> Self:
        """In another unit."""
        return type(self)(self.median / unit, self.low / unit, self.high / unit)


Cell: TypeAlias = Figure | float | str | None


class Plot(msgspec.Struct, frozen=True):
    """How a table is drawn: bars of some columns, one group for each row, or lines of them over the first column."""

    kind: Literal["bars", "lines"]
    columns: Sequence[str]
    unit: str  # what stands at the axis
    log: bool = False


class Table(msgspec.Struct, frozen=True):
    """Rows, of which the first cell is the name. `name` is also that of the plot's file."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    plot: Plot | None = None


class Goal(msgspec.Struct, frozen=True):
    """What a figure should be, as a ratio."""

    work: str
    limit: float
    found: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        """Whether it is."""
        return self.found <= self.limit if self.at_most else self.found >= self.limit


class Results(msgspec.Struct, frozen=True):
    """What one section has found."""

    tables: Sequence[Table]
    goals: Sequence[Goal] = ()


class Report(msgspec.Struct, frozen=True):
    """A whole run, and where it ran. `seconds` is how long each section took."""

    date: str
    revision: str
    command: str
    machine: dict[str, str]
    versions: dict[str, str]
    sections: dict[str, Results]
    seconds: dict[str, float]
