"""Damages to a log in a file: each changes the lines of a bundle, or those of an anchor, in one place."""

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from tests.sealed.independent import Lines

_HEX = "0123456789abcdef"
_OTHERS = 'abcXYZ019 "{}:,é'
#: What the database keeps beside a checkpoint for its sealer. It proves nothing, and the example passes it over.
_OF_THE_SEALER = frozenset({"peaks", "signers"})


def _places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = value.items() if isinstance(value, dict) else ()
    return [*(place for key, each in inner for place in _places(each, (*path, key))), path]


def spoil(value: Any, chance: Random) -> Any:
    """Another value."""
    if isinstance(value, str) and value:
        at = chance.randrange(len(value))
        letters = [each for each in (_HEX if value[at] in _HEX else _OTHERS) if each != value[at]]
        middle = chance.choice([chance.choice(letters)] * 5 + [""])
        return chance.choice([f"{value[:at]}{middle}{value[at + 1 :]}"] * 9 + [None])
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, value + 1000, -value - 1, str(value), float(value), None])
    return chance.choice([0, 1, "x"]) if value is None else chance.choice([None, {}, "x"])


def change(value: Any, chance: Random, but: frozenset[str] = frozenset()) -> None:
    """Change one value in it."""
    *way, last = chance.choice([path for path in _places(value) if path and path[-1] not in but])
    for key in way:
        value = value[key]
    value[last] = spoil(value[last], chance)


def change_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A value in any line, but the last one."""
    change(chance.choice(lines[:-1]), chance, _OF_THE_SEALER)


def change_what_counts(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A value in the head, a checkpoint, a record that is not sealed, or one of the trail's own."""
    own = [each for each in lines[:-1] if "idx" not in each or (each["row"] or {}).get("kind") not in {None, "http"}]
    change(chance.choice(own), chance, _OF_THE_SEALER)


def change_an_anchor(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A letter of an anchor's checkpoint."""
    line = chance.choice(anchors)
    line["checkpoint"] = spoil(line["checkpoint"], chance)


def drop_an_anchor(lines: Lines, anchors: Lines, chance: Random) -> None:
    """An anchor has never been told of a checkpoint."""
    del anchors[chance.randrange(len(anchors))]


def drop_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A checkpoint, a leaf with its record, or a record that is not sealed."""
    del lines[chance.randrange(1, len(lines) - 1)]


def swap_lines(lines: Lines, anchors: Lines, chance: Random) -> None:
    """Two of them."""
    one, other = chance.sample(range(1, len(lines) - 1), 2)
    lines[one], lines[other] = lines[other], lines[one]


def repeat_a_line(lines: Lines, anchors: Lines, chance: Random) -> None:
    """Beside itself, or at the end."""
    at = chance.randrange(1, len(lines) - 1)
    lines.insert(chance.choice([at, len(lines) - 1]), copy.deepcopy(lines[at]))


def cut_off(lines: Lines, anchors: Lines, chance: Random) -> None:
    """The file ends too early."""
    del lines[-chance.randrange(1, 9) :]


def rows(lines: Lines) -> Lines:
    """The leaves whose records are there."""
    return [each for each in lines if "idx" in each and each["row"] is not None]


def remove_a_row(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A record is gone, and its leaf is not."""
    chance.choice(rows(lines))["row"] = None


def unseal_a_row(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A record has lost its leaf, and the leaf its record."""
    leaf = chance.choice(rows(lines))
    lines.insert(-1, {"row": leaf["row"]})
    leaf["row"] = None


def drop_a_column(lines: Lines, anchors: Lines, chance: Random) -> None:
    """A row has one column less."""
    row = chance.choice(rows(lines))["row"]
    del row[chance.choice(list(row))]


def swap_rows(lines: Lines, anchors: Lines, chance: Random) -> None:
    """Two leaves have each other's record."""
    one, other = chance.sample(rows(lines), 2)
    one["row"], other["row"] = other["row"], one["row"]


DAMAGES: list[Callable[[Lines, Lines, Random], None]] = [
    *[change_a_line, change_what_counts] * 4,
    change_an_anchor,
    drop_an_anchor,
    drop_a_line,
    swap_lines,
    repeat_a_line,
    cut_off,
    remove_a_row,
    unseal_a_row,
    drop_a_column,
    swap_rows,
]
