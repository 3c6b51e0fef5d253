"""What the program under test says of itself as it goes: the oracle, which knows nothing of the journal."""

import os
from pathlib import Path
from typing import NamedTuple


class Diary:
    """Notes one line after the other in a file, by a system call that the journal has no use for."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, *words: object) -> None:
        """Note it before anything else happens."""
        os.writev(self._file, [(" ".join(map(str, words)) + "\n").encode()])


class Story(NamedTuple):
    """What a diary tells, by the numbers of the steps."""

    issued: frozenset[int]
    entered: frozenset[int]  # its handler ran
    unsecured: frozenset[int]  # its handler ran, and no intent was to be found on the disk
    answered: dict[int, int]  # its response is complete, with this status
    ended: bool
    accepted: int  # records that the trail has taken, by its own count at the end
    failures: str


def read(path: Path) -> Story:
    """The story so far."""
    lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
    numbers = {
        what: frozenset(int(line[1]) for line in lines if line[0] == what)
        for what in ("issued", "entered", "unsecured")
    }
    last = next((line for line in lines if line[0] == "ended"), None)
    return Story(
        issued=numbers["issued"],
        entered=numbers["entered"],
        unsecured=numbers["unsecured"],
        answered={int(line[1]): int(line[2]) for line in lines if line[0] == "answered"},
        ended=last is not None,
        accepted=int(last[1]) if last else 0,
        failures=last[2] if last else "",
    )
