import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.escape import boundary, cut_mark, escape, split_cut, unescape
from tests.hostile import HOSTILE, Hostile, as_bytes

any_text = st.text(st.characters(exclude_categories=()))
awkward_text = st.text(st.sampled_from("\\xu0aF\x00\x80\u0085\u202e\ud800\udc80\udcff€😀[cut 1]"))
any_bytes = st.binary()
awkward_bytes = st.lists(
    st.sampled_from(
        [b"\\", b"x", b"u", b"0", b"F", b"\x80", b"\xe2", b"\x82", b"\xac", b"\xf0\x9f", b"\x00", b"a", b"["]
    )
).map(b"".join)


def readable(text: str) -> bool:
    """Whether a text is one line without anything that controls or hides."""
    bidi = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    return not any(
        unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(c) in bidi
        or c in "\u200e\u200f\u061c"
        for c in text
    )


@pytest.mark.parametrize(
    ("given_text", "escaped"),
    [
        ("plain", "plain"),
        ("naïve 日本 😀", "naïve 日本 😀"),
        ("a\\b", "a\\\\b"),
        ("a\nb\x00\x7f", "a\\x0Ab\\x00\\x7F"),
        ("a\u0085b\u202e\u2028", "a\\u0085b\\u202E\\u2028"),
        ("\ud800\udc80", "\\uD800\\uDC80"),
        (b"\x80\xff", "\\x80\\xFF"),
        (b"\xc2\x85", "\\u0085"),
        (b"\xe2\x82\xac\xe2\x82", "€\\xE2\\x82"),
        (b"plain", "plain"),
        ("", ""),
        (b"", ""),
    ],
)
def test_what_is_escaped(given_text: str | bytes, escaped: str) -> None:
    """Valid text stays; what controls, hides or is no text becomes an escape of the documented form."""
    assert escape(given_text) == escaped


@given(any_text | awkward_text)
def test_text_can_be_recovered(text: str) -> None:
    """Escaping a str loses nothing, lone surrogates included."""
    assert unescape(escape(text)).decode("utf-8", "surrogatepass") == text


@given(any_bytes | awkward_bytes)
def test_bytes_can_be_recovered(raw: bytes) -> None:
    """Escaping bytes loses nothing, whatever they are."""
    assert unescape(escape(raw)) == raw


@given(awkward_bytes, awkward_bytes)
def test_bytes_escape_injectively(one: bytes, other: bytes) -> None:
    """Two inputs never look the same."""
    assert (escape(one) == escape(other)) == (one == other)


@given(any_text | awkward_text | any_bytes | awkward_bytes, st.none() | st.integers(0, 20))
def test_escaped_text_is_one_readable_line(text: str | bytes, limit: int | None) -> None:
    """No control, no line break, no override, nothing that UTF-8 or PostgreSQL refuses."""
    escaped = escape(text, limit)
    assert readable(escaped)
    assert "\x00" not in escaped.encode().decode()
    assert len(escaped.splitlines()) <= 1


@given(any_bytes | awkward_bytes, st.integers(0, 20))
def test_a_cut_keeps_a_beginning_and_the_length(raw: bytes, limit: int) -> None:
    """What is longer than the limit is a beginning, up to three bytes below the limit, and the true length."""
    kept, length = split_cut(escape(raw, limit))
    if len(raw) <= limit:
        assert (unescape(kept), length) == (raw, None)
    else:
        assert length == len(raw)
        assert raw.startswith(unescape(kept))
        assert limit - 3 <= len(unescape(kept)) <= limit


@given(any_text | awkward_text, st.integers(0, 20))
def test_a_cut_of_text_counts_characters(text: str, limit: int) -> None:
    """The limit and the declared length of a str are in characters."""
    kept, length = split_cut(escape(text, limit))
    assert unescape(kept).decode("utf-8", "surrogatepass") == text[:limit]
    assert length == (len(text) if len(text) > limit else None)


@given(st.text(max_size=30), st.integers(0, 100))
def test_a_cut_never_makes_valid_text_invalid(text: str, limit: int) -> None:
    """The beginning of valid UTF-8 is valid UTF-8."""
    raw = text.encode()
    if limit < len(raw):
        assert text.startswith(raw[: boundary(raw, limit)].decode())


@given(any_text | awkward_text)
def test_nobody_can_send_a_cut_mark(text: str) -> None:
    """Text that was not cut never reads as cut, not even text that ends in the mark."""
    assert split_cut(escape(text + cut_mark(7)))[1] is None


@pytest.mark.parametrize("text", ["a\\", "\\q", "\\x0", "\\[cut 3]", "\\u00"])
def test_text_that_was_not_escaped_is_refused(text: str) -> None:
    """A backslash that begins no escape cannot come from `escape`."""
    with pytest.raises(ValueError, match="not escaped text"):
        unescape(text)


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile[0])
def test_hostile_strings_come_back_exactly(hostile: Hostile) -> None:
    """Every string of the corpus is readable when escaped, and recovered from it."""
    _, value = hostile
    escaped = escape(value)
    assert readable(escaped)
    assert unescape(escaped) == as_bytes(value)


def test_the_corpus_is_large_and_distinct() -> None:
    """At least 300 different values under different names."""
    assert len({value for _, value in HOSTILE}) == len({name for name, _ in HOSTILE}) == len(HOSTILE) >= 300
