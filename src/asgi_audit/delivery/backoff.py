"""How long to wait after a failure: twice as long each time, with jitter, so that not all come back at once."""

import random


class Backoff:
    """Waiting times in seconds, growing from `first` to `most`. For one lane; not thread-safe."""

    def __init__(self, first: float, most: float) -> None:
        self._first = first
        self._most = most
        self._ceiling = first
        self._random = random.Random()  # noqa: S311 - spreads load, hides nothing

    def next(self) -> float:
        """The time to wait now: at least half of the current ceiling, which then doubles."""
        wait = self._ceiling * self._random.uniform(0.5, 1.0)
        self._ceiling = min(self._ceiling * 2, self._most)
        return wait

    def reset(self) -> None:
        """All is well again."""
        self._ceiling = self._first

    def waited(self, *, hurried: bool) -> None:
        """The waiting is over; if it was cut short because somebody is in a hurry, it begins anew."""
        if hurried:
            self.reset()
