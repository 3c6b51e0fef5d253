"""What a section is given: how much to do, where, and the servers that it needs."""

import itertools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from tests.postgres import new_database, running

K = TypeVar("K")
T = TypeVar("T")


class Scale(StrEnum):
    """How much is done: enough to see that it runs, enough for figures, and the long runs too."""

    SMOKE = "smoke"
    NORMAL = "normal"
    FULL = "full"


class Bench:
    """One run."""

    def __init__(self, scale: Scale, place: Path, stack: ExitStack) -> None:
        self.scale = scale
        self._place = place
        self._stack = stack
        self._numbers = itertools.count()
        self._postgres: str | None = None

    def pick(self, smoke: T, normal: T, full: T | None = None) -> T:
        """What is meant at this scale."""
        if self.scale is Scale.SMOKE:
            return smoke
        return normal if full is None or self.scale is Scale.NORMAL else full

    def directory(self) -> Path:
        """A new, empty one, on a real disk."""
        place = self._place / str(next(self._numbers))
        place.mkdir()
        return place

    def sqlite(self) -> str:
        """The URL of a database that does not exist yet."""
        return f"sqlite:///{self.directory() / 'audit.db'}"

    def postgres(self) -> str:
        """The URL of a new, empty database, on a server that syncs its disk as in production."""
        if self._postgres is None:
            self._postgres = self._stack.enter_context(running(fsync="on")).admin_url
        return new_database(self._postgres)


def interleaved(works: Mapping[K, Callable[[], T]], repetitions: int, *, warm: int = 2) -> dict[K, list[T]]:
    """What each work gives, again and again. All take turns, and each time another one begins."""
    found: dict[K, list[T]] = {name: [] for name in works}
    names = list(works)
    for number in range(-warm, repetitions):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            given = works[name]()
            if number >= 0:
                found[name].append(given)
    return found
