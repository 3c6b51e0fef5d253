"""Evidence that is held in memory, so that it can be verified thousands of times, each time with another fault."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, NamedTuple, Self

from asgi_audit.verification.evidence import Evidence, Leaf, Row, Stored, TooLarge


class Place(NamedTuple):
    """One value: which of the things that are held, and by which keys it is found in there."""

    thing: int
    keys: tuple[str, ...]


class Held:
    """Checkpoints, leaves and unsealed rows, one after the other."""

    def __init__(self, name: str, things: list[Stored | Leaf | Row | TooLarge]) -> None:
        self.name = name
        self.size = len(things)
        self.live = True
        self._things = things

    @classmethod
    async def of(cls, opening: AbstractAsyncContextManager[Evidence]) -> Self:
        """What is there."""
        async with opening as evidence:
            things: list[Any] = [stored async for stored in evidence.checkpoints()]
            things += [leaf async for leaf in evidence.leaves()]
            things += [row async for row in evidence.unsealed()]
            return cls(evidence.name, things)

    def places(self) -> Iterator[Place]:
        """Of every value that is stored and not NULL."""
        for number, thing in enumerate(self._things):
            flat: Mapping[str, Any] = thing if isinstance(thing, Mapping) else thing._asdict()
            for name, value in flat.items():
                if isinstance(value, Mapping):
                    yield from (Place(number, (name, inner)) for inner in value if value[inner] is not None)
                elif value is not None:
                    yield Place(number, (name,))

    def at(self, place: Place) -> Any:
        """The value there."""
        value: Any = self._things[place.thing]
        for key in place.keys:
            value = value[key] if isinstance(value, Mapping) else getattr(value, key)
        return value

    def but(self, place: Place, value: Any) -> "Held":
        """The same with another value there."""
        things = list(self._things)
        things[place.thing] = _replaced(things[place.thing], place.keys, value)
        return Held(self.name, things)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def checkpoints(self) -> AsyncIterator[Stored]:
        for thing in self._things:
            if isinstance(thing, Stored):
                yield thing

    async def authorities(self) -> AsyncIterator[Row | TooLarge]:
        for thing in self._things:
            row = thing.row if isinstance(thing, Leaf) else thing
            if isinstance(row, Mapping) and row["kind"] in {"erase", "purge"}:
                yield row

    async def leaves(self) -> AsyncIterator[Leaf]:
        for thing in self._things:
            if isinstance(thing, Leaf):
                yield thing

    async def unsealed(self) -> AsyncIterator[Row | TooLarge]:
        for thing in self._things:
            if isinstance(thing, Mapping | TooLarge):
                yield thing


def _replaced(thing: Any, keys: tuple[str, ...], value: Any) -> Any:
    key, *inner = keys
    if isinstance(thing, Mapping):
        return {**thing, key: _replaced(thing[key], tuple(inner), value) if inner else value}
    return thing._replace(**{key: _replaced(getattr(thing, key), tuple(inner), value) if inner else value})
