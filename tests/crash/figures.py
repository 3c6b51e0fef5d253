"""What is shown at the end: how much was tried, and what came of it."""

from typing import NamedTuple, Self

from tests.crash.history import History
from tests.crash.oracle import Verdict


class Figures(NamedTuple):
    """Counts of one run of several rounds, or of many runs together."""

    rounds: int = 0
    answered: int = 0
    fewest: int = 10**9  # answered in one round
    issued: int = 0
    killed_in_flight: int = 0
    interrupted: int = 0
    torn_tails: int = 0
    suppressed_duplicates: int = 0
    missing: int = 0
    wrong: int = 0
    duplicates: int = 0
    spurious: int = 0
    gaps: int = 0

    @classmethod
    def of(cls, answered: list[int], history: History, redelivered: int, verdict: Verdict) -> Self:
        """Those of a run with so many answers in each round."""
        return cls(
            rounds=len(answered),
            answered=len(history.answered),
            fewest=min(answered),
            issued=len(history.issued),
            killed_in_flight=len(history.issued) - len(history.answered),
            interrupted=verdict.interrupted,
            torn_tails=verdict.torn,
            suppressed_duplicates=redelivered,
            missing=len(verdict.missing),
            wrong=len(verdict.wrong),
            duplicates=len(verdict.duplicates),
            spurious=len(verdict.spurious),
            gaps=len(verdict.gaps),
        )

    def plus(self, other: "Figures") -> "Figures":
        """Both together."""
        both = Figures(*map(sum, zip(self, other, strict=True)))
        return both._replace(fewest=min(self.fewest, other.fewest))


def table(columns: dict[str, Figures]) -> list[str]:
    """Lines with a column for each database."""
    lines = [" " * 22 + "".join(f"{name:>14}" for name in columns)]
    for field in Figures._fields:
        counts = "".join(f"{getattr(figures, field):>14,}" for figures in columns.values())
        lines.append(f"{field.replace('_', ' '):<22}{counts}")
    return lines
