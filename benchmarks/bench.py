"""What a section is given: how much to do, where, and the servers that it needs."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from tests.postgres import execute, running

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
        name = f"bench_{next(self._numbers)}"
        asyncio.run(execute(self._postgres, f"CREATE DATABASE {name}"))
        return urlunsplit(urlsplit(self._postgres)._replace(path=f"/{name}"))


def interleaved(works: Mapping[str, Callable[[], T]], repetitions: int, *, warm: int = 2) -> dict[str, list[T]]:
    """What each work gives, again and again. All take turns, and each time another one begins."""
    found: dict[str, list[T]] = {name: [] for name in works}
    names = list(works)
    for number in range(-warm, repetitions):
        for name in _from(names, number % len(names)):
            given = works[name]()
            if number >= 0:
                found[name].append(given)
    return found


def _from(names: list[str], first: int) -> Iterator[str]:
    yield from names[first:]
    yield from names[:first]
