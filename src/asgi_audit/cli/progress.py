"""How far a long command has come: one line on a terminal, and nothing anywhere else."""

import sys
import time
from typing import Final

_EVERY: Final = 0.1  # seconds
_BAR: Final = 24  # characters


class ProgressBar:
    """Called with how many rows are done, of about how many; `close` takes it from the screen."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = sys.stderr.isatty()
        self._due = 0.0
        self._drawn = False

    def __call__(self, done: int, total: int) -> None:
        """Draw it, a few times a second."""
        now = time.monotonic()
        if not self._shown or now < self._due:
            return
        self._due = now + _EVERY
        share = done / total if total else 1.0
        bar = "#" * round(share * _BAR)
        sys.stderr.write(f"\r{self._label} [{bar:<{_BAR}}] {share:4.0%} {done:,}\x1b[K")
        sys.stderr.flush()
        self._drawn = True

    def close(self) -> None:
        """Take it from the screen."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
