import dataclasses
import enum
import json
import sys
from collections import OrderedDict, UserDict, deque
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.escape import split_cut
from asgi_audit.redaction import Pseudonyms, Redactor

clean = Redactor().value

leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.decimals()
    | st.datetimes() | st.uuids() | st.complex_numbers() | st.just(object())
)  # fmt: skip
keys = (
    st.text(st.characters(exclude_categories=()), max_size=6)
    | st.integers()
    | st.binary(max_size=3)
    | st.none()
    | st.booleans()
    | st.floats()
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.frozensets(st.integers())
    ),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Login:
    name: str
    password: str


class Card(msgspec.Struct):
    number: int
    cvv: str


class Loud(str):
    """A text whose own methods must not be asked."""

    def __str__(self) -> str:
        raise RuntimeError("leak")

    __repr__ = __str__


class Liar:
    """An object that lies about its class and tells its secret to whoever asks for its text."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("leak")

    def __repr__(self) -> str:
        return "leak"


class Meta(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("leak")


class Nameless(metaclass=Meta):
    pass


class Broken(Mapping[str, int]):
    """A mapping that fails while it is read."""

    def __getitem__(self, key: str) -> int:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


@given(values)
def test_whatever_comes_out_is_plain_json(value: object) -> None:
    """Strict JSON without NaN, with integers every reader keeps, with text that is UTF-8 and holds no NUL."""
    text = json.dumps(clean(value), allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text
    assert msgspec.json.decode(msgspec.json.encode(clean(value))) == clean(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**53 - 1, 2**53 - 1),
        (-(2**53), "-9007199254740992"),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ("a\nb\ud800", "a\\x0Ab\\uD800"),
        (b"\xff\x00a", "\\xFF\\x00a"),
        (bytearray(b"ab"), "ab"),
        (memoryview(b"ab"), "ab"),
        (Loud("text"), "text"),
        (Colour.RED, "red"),
        (Level.LOW, 1),
        (datetime(2026, 11, 23, 12, 0, tzinfo=UTC), "2026-11-23T12:00:00+00:00"),
        (date(2026, 11, 23), "2026-11-23"),
        (time(12, 30), "12:30:00"),
        (timedelta(days=1), "1 day, 0:00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (PurePosixPath("/a/b"), "/a/b"),
        ((1, [2, {3}], deque([4]), {5: 6}.keys(), {5: 6}.values()), [1, [2, [3]], [4], [5], [6]]),
        (OrderedDict(a=1), {"a": 1}),
        (UserDict({"a": 1}), {"a": 1}),
        (Login("ada", "x"), {"name": "ada", "password": "[redacted]"}),
        (Card(5, "123"), {"number": 5, "cvv": "[redacted]"}),
        (4111111111111111, "[redacted]"),
        (4111111111111112, 4111111111111112),
        ("Bearer abc", "Bearer [redacted]"),
        (object(), "<builtins.object>"),
        (Login, "<builtins.type>"),
        (1j, "<builtins.complex>"),
        ([Liar()], ["<tests.redaction.test_values.Liar>"]),
        (Nameless(), "<object>"),
        (Broken(), "<tests.redaction.test_values.Broken>"),
        ((item for item in [1]), "<builtins.generator>"),
    ],
)
def test_each_kind_of_value(value: object, expected: object) -> None:
    """Known kinds keep their meaning; of anything else only the class is told."""
    assert clean(value) == expected


def test_keys_become_text_without_losing_values() -> None:
    """A key of any kind has a text; two keys with the same text both stay."""
    given_keys = {
        "1": "a",
        1: "b",
        2: "c",
        None: "d",
        1.5: "e",
        b"\xff": "f",
        Colour.RED: "g",
        (1, 2): "h",
        date(2026, 1, 2): "i",
        Loud("x"): "j",
    }
    assert clean(given_keys) == {
        "1": "a", "1\\[1]": "b", "2": "c", "null": "d", "1.5": "e", "\\xFF": "f", "red": "g", "<builtins.tuple>": "h",
        "2026-01-02": "i", "x": "j",
    }  # fmt: skip
    assert clean({float("nan"): 1, "NaN": 2, False: 3}) == {"NaN": 1, "NaN\\[1]": 2, "false": 3}


def test_denied_names_mask_whatever_stands_under_them() -> None:
    """Scalars, containers and nothing at all; at any depth, under any spelling of the name."""
    data = {"a": [{"pass_word": 1}], "user": {"API-Key": [1, {"x": 2}], b"pin": None, "token": 10**5000}}
    assert clean(data) == {
        "a": [{"pass_word": "[redacted]"}],
        "user": {"API-Key": "[redacted]", "pin": "[redacted]", "token": "[redacted]"},
    }


def test_equal_secrets_get_equal_pseudonyms() -> None:
    """The same secret as text, bytes and integer is the same secret; a container has no pseudonym."""
    pseudonyms = Pseudonyms(b"0123456789abcdef", "k")
    cleaned = Redactor(pseudonyms=pseudonyms).value({"pin": "1234", "otp": b"1234", "cvv": 1234, "token": ["1234"]})
    assert cleaned == {**dict.fromkeys(["pin", "otp", "cvv"], pseudonyms.value("1234")), "token": "[redacted]"}


def test_giant_integers_are_exact_and_do_not_raise() -> None:
    """Python refuses decimal texts of such length, so they are hexadecimal."""
    assert clean(10**600) == "1" + "0" * 600
    assert int(clean(10**5000), 16) == 10**5000
    assert int(clean(-(10**5000)), 16) == -(10**5000)


def test_the_least_digit_limit_changes_nothing() -> None:
    """A process may lower Python's limit for integer texts."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert clean(2**2047) == hex(2**2047) or clean(2**2047).isdigit()
        assert int(clean(2**4000), 16) == 2**4000
    finally:
        sys.set_int_max_str_digits(before)


def test_depth_is_bounded_and_cycles_end() -> None:
    """Below the thirty-second level a mark says that there is more."""
    cycle: list[Any] = []
    cycle.append(cycle)
    depth = 0
    inner = clean(cycle)
    while isinstance(inner, list):
        [inner] = inner
        depth += 1
    assert (depth, inner) == (32, "\\[too deep]")


def test_size_is_bounded_and_declared() -> None:
    """Too many members, too many values over all, too long texts: a mark says how many there were."""
    assert clean(list(range(5000)))[2046:] == [2046, 2047, "\\[cut 5000]"]
    assert list(clean(dict.fromkeys(range(5000), 0)).items())[-1] == ("\\[cut 5000]", None)
    wide = clean([list(range(1500)), list(range(1500)), [1], {"a": 1}])
    assert wide[1][-1] == "\\[cut 1500]"
    assert wide[-1] == "\\[cut 4]"
    assert list(clean({"a": list(range(3000)), "b": 1})) == ["a", "\\[cut 2]"]
    texts = clean(["x" * 40000, "y" * 40000, "z"])
    assert [split_cut(text)[1] for text in texts] == [None, 40000, 1]
    assert list(clean({"k" * 5000: 1})) == ["k" * 256 + "\\[cut 5000]"]


def test_a_mapping_without_end_ends() -> None:
    """A mapping that never stops giving is read as far as the budget goes."""

    class Endless(UserDict[int, int]):
        def __len__(self) -> int:
            return 7

        def __iter__(self) -> Iterator[int]:
            number = 0
            while True:
                yield (number := number + 1)

        def __getitem__(self, key: int) -> int:
            return key

    assert len(clean(Endless())) == 2048
