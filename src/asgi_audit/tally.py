"""Changes as a record can hold them: in detail as long as there is room, from then on counted by table."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import msgspec

from asgi_audit.record import Change

MOST: Final = 1000  # entries in detail
MOST_TEXT: Final = 400_000  # characters in them; escaped and as JSON they may become seven bytes each
MORE: Final = "(more)"  # the criteria of an entry that only counts

_MOST_SUMS: Final = 100
_OTHERS: Final = ("change", "(other tables)")
_ENTRY: Final = 60  # characters of an entry that says nothing
_SCALAR: Final = 32


class Tally(list[Change]):
    """A list of changes that `add` and `+=` keep within the size of a record.

    What has no room becomes a number: one entry for each operation and table, whose criteria are `(more)`. Its count is
    unknown (`None`) if that of a statement in it is.
    """

    _text = 0
    _sums: dict[tuple[str, str, bool], int] | None = None  # where in the list the entry is that counts these

    def add(self, change: Change) -> None:
        """Add one, in detail if there is room. What is no such thing is for the record's maker to refuse."""
        try:
            self._add(change)
        except Exception:  # noqa: BLE001 - the application's objects; a slip must not break the request
            self.append(change)

    def _add(self, change: Change) -> None:
        if change.criteria != MORE and len(self) < MOST:
            text = self._text + _weight(change)
            if text <= MOST_TEXT:
                self._text = text
                self.append(change)
                return
        self._count(change)

    def __iadd__(self, changes: Iterable[Change]) -> Self:  # type: ignore[override, misc]
        for change in changes:
            self.add(change)
        return self

    def _count(self, change: Change) -> None:
        rows = 1 if change.count is None and change.criteria is None else change.count
        rows = rows if isinstance(rows, int) else None
        if self._sums is None:
            self._sums = {}
        kind = (str(change.operation), str(change.type), rows is None)
        if kind not in self._sums and len(self._sums) >= _MOST_SUMS:
            kind = (*_OTHERS, rows is None)
        place = self._sums.setdefault(kind, len(self))
        if place == len(self):
            self.append(Change(operation=kind[0], type=kind[1], count=rows, criteria=MORE))
        elif rows is not None:
            self[place] = msgspec.structs.replace(self[place], count=(self[place].count or 0) + rows)


def _weight(change: Change) -> int:
    return _ENTRY + sum(
        [_size(each) for each in (change.type, change.id, change.criteria, change.before, change.after)]
    )


def _size(value: Any) -> int:
    """About how many characters a value takes."""
    cls = type(value)
    if cls is str or cls is bytes:
        return len(value) + 3
    if isinstance(value, Mapping):
        return sum([len(str(key)) + 4 + _size(each) for key, each in value.items()])
    if isinstance(value, list | tuple):
        return sum([1 + _size(each) for each in value])
    return _SCALAR if cls is not int else 1 + value.bit_length() // 3
