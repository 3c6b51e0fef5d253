import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.redaction.mediatype import parse


@pytest.mark.parametrize(
    ("header", "value", "parameters"),
    [
        (b"application/json", "application/json", []),
        ("Text/Plain; Charset=UTF-8", "text/plain", [("charset", "UTF-8")]),
        ('form-data; name="a;b=\\"c\\\\"; filename=x.txt', "form-data", [("name", 'a;b="c\\'), ("filename", "x.txt")]),
        ('form-data; filename="C:\\dir\\x"', "form-data", [("filename", "C:\\dir\\x")]),
        ("a/b; x=1; x=2;;y", "a/b", [("x", "1"), ("x", "2")]),
        (b"a/\xff; n=\xff", "a/\udcff", [("n", "\udcff")]),
        ("", "", []),
        (";;;=", "", []),
    ],
)
def test_what_a_header_says(header: bytes | str, value: str, parameters: list[tuple[str, str]]) -> None:
    """The value in lower case, the parameters unquoted and in order; bytes that are no text survive as surrogates."""
    assert parse(header) == (value, parameters)


@pytest.mark.parametrize(
    ("type_", "is_json"),
    [
        ("application/json", True),
        ("application/problem+json", True),
        ("application/x-ndjson", True),
        ("text/html", False),
        ("a/jsonx", False),
    ],
)
def test_what_is_json(type_: str, is_json: bool) -> None:
    """JSON, its line formats, and whatever is built on it."""
    assert parse(type_).is_json is is_json


def test_repeated_parameters_are_all_kept() -> None:
    """Two parsers may disagree on which one counts, so the caller sees both."""
    assert parse("m/f; boundary=a; boundary=b").all("boundary") == ["a", "b"]


@given(st.binary() | st.text(st.sampled_from('a;="\\ ')))
def test_any_header_is_survived(header: bytes | str) -> None:
    """A client's header never raises."""
    assert isinstance(parse(header).value, str)
