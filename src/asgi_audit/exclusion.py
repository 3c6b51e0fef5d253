"""What a model keeps off the record: its attribute `__audit_exclude__`."""

from collections.abc import Set
from typing import Final

from asgi_audit.context import outside
from asgi_audit.redaction import Redactor
from asgi_audit.snapshot import EXCLUDED

EXCLUDE: Final = "__audit_exclude__"

_names = Redactor()  # for keys, which go into the id: the trail's redactor does not know of which columns that is made


def excluded_by(cls: type, known: Set[str]) -> tuple[Set[str], bool]:
    """Which columns are left out, by the class or one that it inherits from; and whether all of it is."""
    names: set[str] = set()
    for each in cls.__mro__:
        said = vars(each).get(EXCLUDE, ())
        if said is True:
            return names, True
        found = {said} if isinstance(said, str) else said
        if not isinstance(found, set | frozenset | list | tuple) or not all(isinstance(name, str) for name in found):
            outside.note("an __audit_exclude__ is neither True nor a set of names: no value of its class is shown")
            return {"*"}, False
        if not known >= set(found):
            outside.note("an __audit_exclude__ names a column that is not mapped")
        names.update(found)
    return names, False


def key_mask(names: Set[str], column: str, excluded: Set[str]) -> str | None:
    """What stands for a part of a primary key that must not be seen; `names` are all by which it may be left out."""
    if excluded & {*names, "*"}:
        return EXCLUDED
    return _names.mask(column) if _names.denies(column) else None
