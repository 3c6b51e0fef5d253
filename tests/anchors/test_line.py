import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.anchors.base import checkpoint_in, is_of, line_of
from asgi_audit.anchors.stream import BLOCK, LONGEST_LINE, checkpoints, checkpoints_backwards
from tests.contracts.anchor_contract import checkpoint

Way = Callable[[bytes, int], list[str]]


def forwards(content: bytes, block: int) -> list[str]:
    """What is found from the beginning, in blocks of this size."""
    return list(checkpoints(content[at : at + block] for at in range(0, len(content), block)))


def backwards(content: bytes, block: int) -> list[str]:
    """What is found from the end, in the order in which it stands."""
    ends = range(len(content), 0, -block)
    return list(checkpoints_backwards(content[max(0, end - block) : end] for end in ends))[::-1]


both_ways = pytest.mark.parametrize("find", [forwards, backwards])


def test_a_line_has_two_fields() -> None:
    """Sorted, in ASCII, with the time in UTC to the microsecond."""
    before = datetime.now(UTC)
    line = line_of("log\n1\nroot\n\n\u2014 log sig\n")
    match = re.fullmatch(r'\{"checkpoint":"log\\n1\\nroot\\n\\n\\u2014 log sig\\n","time":"(.{26}Z)"\}', line)
    assert match is not None
    assert before <= datetime.fromisoformat(match[1]) <= datetime.now(UTC)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "INFO:x:", "é{asctime} ", "{1}", "{"]))
def test_a_line_gives_back_what_it_holds(text: str, prefix: str) -> None:
    """Whatever it is, and whatever a formatter wrote before, after and around it."""
    assert checkpoint_in(f"{prefix}{line_of(text)}") == text
    assert checkpoint_in(f"{prefix}{line_of(text)} (pid 7) }}\r\n") == text
    assert checkpoint_in(f'{{"level":"INFO","extra":{line_of(text)}}}') == text


@pytest.mark.parametrize(
    "line",
    [
        "",
        "\n",
        "checkpoint",
        "{",
        "}{",
        "{}",
        "null",
        '["checkpoint"]',
        '{"checkpoint"',
        '{"checkpoint":null,"time":"x"}',
        '{"checkpoint":["x"]}',
        '{"other":"x"}',
        '{"message":"{\\"checkpoint\\":\\"x\\"}"}',
        '{"checkpoint":"\\ud800"}',
        '{"checkpoint":"a\tb"}',
        '{"checkpoint":"x","n":' + "9" * 10_000 + "}",
        '{"checkpoint":' * 100_000,
        '{"checkpoint":' + "[" * 100_000,
    ],
)
def test_a_line_may_hold_none(line: str) -> None:
    """Other lines are passed over, those that mean harm as well."""
    assert checkpoint_in(line) is None


@both_ways
@given(
    st.lists(st.sampled_from(["a", "Ä", "{", "\n"]).map(lambda text: f"log\n{text}")),
    st.lists(st.binary(max_size=5).map(lambda noise: noise.replace(b"\n", b" ")), min_size=1),
    st.integers(1, 100),
)
def test_what_stands_between_does_not_matter(find: Way, texts: list[str], noise: list[bytes], block: int) -> None:
    """Foreign lines, bytes that are no UTF-8, and where blocks end; the end of the last line may be missing."""
    lines = [noise[0]]
    for number, text in enumerate(texts):
        lines += [line_of(text).encode(), noise[number % len(noise)]]
    assert find(b"\n".join(lines), block) == texts
    assert find(b"\n".join(lines[:-1]), block) == texts


@both_ways
def test_a_torn_line_is_passed_over(find: Way) -> None:
    """Wherever it was torn, at the end or in the middle of all."""
    line = line_of(checkpoint(2)).encode()
    whole = line_of(checkpoint(1)).encode() + b"\n"
    for cut in range(len(line)):
        assert find(whole + line[:cut], 64) == [checkpoint(1)]
    assert find(line[:50] + b"\n" + whole, 64) == [checkpoint(1)]


@both_ways
def test_bytes_that_are_no_text_are_seen_as_such(find: Way) -> None:
    """A checkpoint that was damaged is handed on damaged: its signature tells."""
    damaged = line_of("log\n1").encode().replace(b"log", b"l\xffg")
    assert find(damaged, 10) == ["l\ufffdg\n1"]


@both_ways
def test_a_line_may_be_long_but_not_too_long(find: Way) -> None:
    """One of a mebibyte is the last that is read."""
    frame = len(json.dumps({"checkpoint": ""}))
    fits = json.dumps({"checkpoint": "x" * (LONGEST_LINE - frame)}).encode()
    too_long = fits.replace(b"x", b"xx", 1)
    short = line_of(checkpoint(1)).encode()
    content = b"\n".join([too_long, fits, too_long, short, too_long])
    assert len(fits) == LONGEST_LINE
    assert find(content, BLOCK) == find(content, 70_001) == ["x" * (LONGEST_LINE - frame), checkpoint(1)]


@pytest.mark.parametrize("find", [checkpoints, checkpoints_backwards])
def test_a_line_without_an_end_takes_no_memory(find: Callable[[Iterable[bytes]], Iterator[str]]) -> None:
    """A quarter of a gigabyte in one line costs a few blocks."""
    block = b'{"checkpoint":"' + b"x" * (BLOCK - 15)
    tracemalloc.start()
    try:
        assert list(find(block for _ in range(1000))) == []
        assert tracemalloc.get_traced_memory()[1] < 10 * LONGEST_LINE
    finally:
        tracemalloc.stop()


def test_a_log_is_what_begins_with_its_name() -> None:
    """And a slash, or nothing more."""
    assert is_of(checkpoint(1, "a/b"), "a/b")
    assert is_of(checkpoint(1, "a/b/2"), "a/b")
    assert not is_of(checkpoint(1, "a/bc"), "a/b")
    assert not is_of(checkpoint(1, "a"), "a/b")
    assert not is_of("", "a/b")
