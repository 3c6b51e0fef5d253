"""A list of changes that stays within the size of a record."""

from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import Change
from asgi_audit.notes import Notes
from asgi_audit.record import encode
from asgi_audit.tally import MORE, MOST, MOST_TEXT, Tally


def rows(changes: list[Change]) -> dict[tuple[str, str], int | None]:
    """How many rows the changes are about, by operation and table; `None` if one doesn't know."""
    found: dict[tuple[str, str], int | None] = {}
    for change in changes:
        kind = (change.operation, change.type)
        count = 1 if change.count is None and change.criteria is None else change.count
        known = found.get(kind, 0)
        found[kind] = None if known is None or count is None else known + count
    return found


def row(number: int, text: str = "") -> Change:
    """A row that was inserted."""
    return Change(operation="insert", type="t", id=str(number), after={"text": text})


def test_what_has_no_room_is_counted() -> None:
    """Ten thousand rows are a thousand in detail, and one number."""
    tally = Tally()
    tally += [row(number) for number in range(10_000)]
    assert tally[:MOST] == [row(number) for number in range(MOST)]
    assert tally[MOST:] == [Change(operation="insert", type="t", count=10_000 - MOST, criteria=MORE)]


def test_large_rows_leave_room_for_few() -> None:
    """The text is counted as well: no record gets too large for the sinks, whatever the characters."""
    tally = Tally()
    tally += [row(number, "\x00" * 10_000) for number in range(1000)]
    assert 30 < len(tally) < 41
    assert tally[-1].count == 1000 - (len(tally) - 1)
    assert 7 * MOST_TEXT < 4 * 2**20


def test_values_of_any_kind_have_a_size() -> None:
    """Nested ones, and numbers as long as texts."""
    tally = Tally()
    large = [["x" * 1000] * 100, {"key": "x" * 100_000}, b"x" * 100_000, 10**120_000, ("x" * 100_000,)]
    tally += [Change(operation="insert", type="t", after={"value": each}) for each in large]
    assert len(tally) == 4  # three in detail
    assert tally[-1].count == 2


def test_numbers_are_added_up_when_tallies_are() -> None:
    """What was counted in a savepoint or a commit before is counted together with the rest."""
    first, second = Tally(), Tally()
    first += [row(number) for number in range(MOST + 5)]
    second += [row(number) for number in range(MOST + 7)]
    first += second
    assert first[MOST:] == [Change(operation="insert", type="t", count=MOST + 12, criteria=MORE)]


def test_unknown_counts_stay_unknown() -> None:
    """A statement whose rows nobody has counted is not added to those that somebody has."""
    tally = Tally()
    tally += [row(number) for number in range(MOST)]
    tally += [Change(operation="update", type="t", count=count, criteria="a = :a") for count in (3, None, 4, None)]
    assert tally[MOST:] == [
        Change(operation="update", type="t", count=7, criteria=MORE),
        Change(operation="update", type="t", count=None, criteria=MORE),
    ]


def test_tables_without_number_are_counted_together() -> None:
    """Not even the numbers grow without bound."""
    tally = Tally()
    tally += [row(number) for number in range(MOST)]
    tally += [Change(operation="insert", type=f"t{number}") for number in range(150)]
    tally.add(Change(operation="insert", type="t150", criteria="(values)"))
    assert len(tally) == MOST + 102
    assert tally[-2] == Change(operation="change", type="(other tables)", count=50, criteria=MORE)
    assert tally[-1] == Change(operation="change", type="(other tables)", criteria=MORE)


def test_notes_keep_to_it() -> None:
    """However often a request commits, its record stays small."""
    notes = Notes()
    for number in range(3 * MOST):
        later = Notes()
        later.changes.append(row(number))
        notes.merge(later)
    assert len(notes.changes) == MOST + 1
    assert notes.changes[-1].count == 2 * MOST


def test_a_slip_breaks_nothing() -> None:
    """What is against the type hints is kept for the maker of records, which refuses it."""
    tally = Tally()
    tally += [row(number) for number in range(MOST)]
    tally.add(Change(operation="insert", type=["t"], id=7, count="3"))  # type: ignore[arg-type]
    assert tally[-1] == Change(operation="insert", type="['t']", criteria=MORE)
    tally.add("no change")  # type: ignore[arg-type]
    assert list[object](tally)[-1] == "no change"


changes = st.builds(
    Change,
    operation=st.sampled_from(["insert", "update"]),
    type=st.sampled_from("tu"),
    after=st.dictionaries(st.just("a"), st.text(max_size=9)),
    count=st.none() | st.integers(0, 9),
    criteria=st.none() | st.just("a = :a"),
)


@given(st.lists(st.lists(changes)), st.integers(0, 3))
def test_no_row_is_forgotten(several: list[list[Change]], full: int) -> None:
    """Whatever is added to whatever, in detail or not, the rows of each table add up to the same."""
    tally = Tally()
    if full:
        tally += [Change(operation="insert", type="t")] * MOST
    for each in several:
        part = Tally()
        part += each
        tally += part
    given = [change for each in several for change in each]
    if full:
        given += [Change(operation="insert", type="t")] * MOST
    assert rows(tally) == rows(given)
    assert len(tally) <= len(given)
    assert all(encode(change) for change in tally)
