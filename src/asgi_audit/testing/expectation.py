"""What a test expects of a record, field by field."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypedDict

from asgi_audit.record import Actor, Kind, Outcome, Record, Target


class Expected(TypedDict, total=False):
    """What a record is to say; what is left out may be anything, `None` is for what it is not to say."""

    action: str
    actor: Actor | str | None
    target: Target | str | Sequence[Target | str] | None
    outcome: Outcome | str | None
    status: int | None
    reason: str | None
    tenant: str | None
    data: Mapping[str, Any] | None
    kind: Kind | str
    method: str | None
    path: str | None
    route: str | None


_FIELDS: Final = tuple(Expected.__annotations__)
_OF_REQUEST: Final = frozenset({"method", "path", "route"})


class Comparison(NamedTuple):
    """One expected field, and what a record says there."""

    field: str
    expected: object
    recorded: object
    equal: bool


def check_names(expected: Mapping[str, object]) -> None:
    """Raise the `TypeError` of a misspelt keyword: an expectation that nobody checks is worse than none."""
    if unknown := expected.keys() - set(_FIELDS):
        raise TypeError(f"a record has no {', '.join(sorted(unknown))}; it has {', '.join(_FIELDS)}")


def compare(record: Record, expected: Expected) -> list[Comparison]:
    """Each expected field beside what is recorded."""
    return [_compare(record, field, value) for field, value in expected.items()]


def _compare(record: Record, field: str, expected: object) -> Comparison:
    if field == "target":
        return Comparison(field, expected, record.targets, _are_among(record.targets or [], expected))
    recorded: object = getattr(record.request, field, None) if field in _OF_REQUEST else getattr(record, field)
    matches = {"actor": _is, "data": _holds}.get(field, _equals)
    return Comparison(field, expected, recorded, matches(recorded, expected))


def _equals(recorded: object, expected: object) -> bool:
    return bool(expected == recorded)  # in this order, so that an object of the test's own may decide


def _is(recorded: object, expected: object) -> bool:
    """Whether it is this actor or target: by its id alone, or by whatever is said of it."""
    if isinstance(expected, Actor | Target):
        said = {name: value for name in expected.__struct_fields__ if (value := getattr(expected, name)) is not None}
        return all(_is(getattr(recorded, name, None), value) for name, value in said.items())
    return _equals(recorded.id if isinstance(recorded, Actor | Target) else recorded, expected)


def _are_among(recorded: Sequence[Target], expected: object) -> bool:
    if expected is None:
        return not recorded
    several = expected if isinstance(expected, list | tuple) else [expected]
    return all(any(_is(target, each) for target in recorded) for each in several)


def _holds(recorded: object, expected: object) -> bool:
    """Whether the data has these keys with these values; it may have more."""
    if not (isinstance(expected, Mapping) and isinstance(recorded, Mapping)):
        return _equals(recorded, expected)
    return all(key in recorded and _equals(recorded[key], value) for key, value in expected.items())


def shown(value: object) -> str:
    """As a test would write it."""
    if isinstance(value, Actor | Target):
        fields = {name: field for name in value.__struct_fields__ if (field := getattr(value, name)) is not None}
        words = [shown(fields.pop("id")), *(f"{name}={shown(field)}" for name, field in fields.items())]
        return f"{type(value).__name__}({', '.join(words)})"
    if isinstance(value, list | tuple):
        return shown(value[0]) if len(value) == 1 else f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Kind | Outcome):
        return repr(str(value))
    return repr(value)
