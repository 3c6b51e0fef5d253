"""What a failed expectation says: what was expected, and beside it what was recorded."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from asgi_audit.record import Record
from asgi_audit.testing.expectation import Comparison, shown

_MOST: Final = 3  # records shown: those further from what was expected explain nothing


class Compared(NamedTuple):
    """A record, its number among all, and how it compares with what was expected."""

    number: int
    record: Record
    fields: list[Comparison]

    @property
    def equal(self) -> bool:
        """Whether it is as expected."""
        return all(field.equal for field in self.fields)

    @property
    def distance(self) -> tuple[int, int]:
        """Sorts the nearest first, of equally near ones the latest."""
        return sum(not field.equal for field in self.fields), -self.number


def difference(compared: Sequence[Compared], times: int) -> str:
    """Why it is wrong that not `times` records are as expected."""
    such = f"expected {times or 'no'} such record{'' if times == 1 else 's'}"
    if not compared:
        return f"{such}, but nothing was recorded: does the application record into this trail?"
    found = [each for each in compared if each.equal]
    others = sorted((each for each in compared if not each.equal), key=lambda each: each.distance)
    head = f"{such}, found {len(found)} among {len(compared)}"
    if len(found) > times:
        return "\n".join([f"{head}:", "", *(_headline(each) for each in found)])
    if not others:
        return head
    lines = [f"{head}; the nearest (- expected, + recorded):"]
    for each in others[:_MOST]:
        lines += ["", _headline(each), *_fields(each.fields)]
    return "\n".join(lines)


def _headline(each: Compared) -> str:
    record = each.record
    ending = " ".join(str(word) for word in (record.outcome, record.status) if word is not None)
    return f"record {each.number}, {record.kind}: {record.action}{ending and f', {ending}'}"


def _fields(fields: Sequence[Comparison]) -> Iterator[str]:
    width = max(len(each.field) for each in fields)
    for each in fields:
        name = each.field.ljust(width)
        if each.equal:
            yield f"    {name}  {shown(each.recorded)}"
        else:
            yield f"  - {name}  {shown(each.expected)}"
            yield f"  + {name}  {shown(each.recorded)}"
