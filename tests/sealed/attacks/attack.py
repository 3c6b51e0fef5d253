"""An attack, and the register of all that there are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from tests.sealed.named import Named
from tests.sealed.scene import Scene

#: Changes a copy of the log, and returns what the verdict must name.
Act: TypeAlias = Callable[[Scene], Sequence[Named]]


class Attack(NamedTuple):
    """Found by whoever knows what it `needs` to be found: of `anchor`, `keys` and `mac`.

    `several` says that it can be done several times in one copy, each in its own place, and each is named.
    """

    name: str
    act: Act
    needs: frozenset[str]
    several: bool
    sqlite: bool

    def __str__(self) -> str:
        return self.name


ATTACKS: list[Attack] = []


def register(name: str, act: Act, *needs: str, several: bool = False, sqlite: bool = False) -> None:
    """Add one; `sqlite` if other databases know no such values."""
    ATTACKS.append(Attack(name, act, frozenset(needs), several, sqlite))


def attack(*needs: str, several: bool = False, sqlite: bool = False) -> Callable[[Act], Act]:
    """Add the function below, by what its docstring says."""

    def add(act: Act) -> Act:
        name = " ".join((act.__doc__ or "").split()).removesuffix(".")
        register(name[0].lower() + name[1:], act, *needs, several=several, sqlite=sqlite)
        return act

    return add
