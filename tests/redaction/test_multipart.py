import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.redaction.multipart import MultipartScanner

contents = st.lists(
    st.sampled_from([b"a", b"\r\n", b"--", b"--B", b"\r\n--", b"\r", b"\n", b"\x00\xff"]), max_size=8
).map(b"".join)


def part(name: str, content: bytes, more: str = "") -> bytes:
    """Make one part."""
    return b"--B\r\nContent-Disposition: form-data; name=%s%s\r\n\r\n%s\r\n" % (name.encode(), more.encode(), content)


def scan(body: bytes, size: int = 0, limit: int = 1000) -> MultipartScanner:
    """Scan a body in chunks of `size`, by default at once."""
    scanner = MultipartScanner("B", limit)
    for start in range(0, len(body), size or max(len(body), 1)):
        scanner.feed(body[start : start + (size or len(body))])
    return scanner


@given(st.lists(contents.filter(lambda c: b"\r\n--B" not in b"\r\n" + c), max_size=4), st.integers(1, 40))
def test_chunks_make_no_difference(bodies: list[bytes], size: int) -> None:
    """However a body is cut into chunks, the same parts are found, with their exact sizes and contents."""
    whole = b"".join(part(f"f{index}", content) for index, content in enumerate(bodies)) + b"--B--\r\n"
    scanner = scan(whole, size)
    assert scanner.complete
    assert [bytes(found.content) for found in scanner.parts] == bodies
    assert [found.size for found in scanner.parts] == [len(content) for content in bodies]
    assert [found.names for found in scanner.parts] == [[f"f{index}"] for index in range(len(bodies))]


@given(
    st.lists(
        st.sampled_from(
            [b"--B", b"\r\n", b"--", b" ", b"\r\n\r\n", b"Content-Disposition: form-data", b";name=a", b"x", b"B"]
        )
    ),
    st.integers(1, 9),
)
def test_any_body_is_survived(pieces: list[bytes], size: int) -> None:
    """A body that is no multipart never raises, whatever the chunks."""
    body = b"".join(pieces)
    by_chunks, at_once = scan(body, size), scan(body)
    assert (by_chunks.complete, by_chunks.malformed) == (at_once.complete, at_once.malformed)
    assert [found.disposition for found in by_chunks.parts] == [found.disposition for found in at_once.parts]


def test_files_are_counted_and_never_kept() -> None:
    """A megabyte of file leaves a name and a size."""
    scanner = MultipartScanner("B", 1000)
    scanner.feed(
        b'--B\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\nContent-Type: image/png\r\n\r\n'
    )
    for _ in range(100):
        scanner.feed(b"\r\n--" * 2500)
    scanner.feed(b"\r\n--B--")
    [found] = scanner.parts
    assert (found.size, bytes(found.content), found.filenames, found.keeps) == (1_000_000, b"", ["a.bin"], False)
    assert found.type is not None
    assert found.type.value == "image/png"


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Disposition: form-data; name=a; filename*=UTF-8''x",
        b"Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
        b"Content-Disposition: form-data",
        b"X: y",
        b"",
    ],
)
def test_only_plain_fields_are_kept(headers: bytes) -> None:
    """A file by its extended name, an encoded field and a part without a name give no text."""
    scanner = scan(b"--B\r\n" + headers + b"\r\n\r\nsecret\r\n--B--")
    assert [found.keeps for found in scanner.parts] == [False]


def test_repeated_headers_count_together() -> None:
    """A second disposition cannot hide the name of the first."""
    scanner = scan(
        b"--B\r\nContent-Disposition: form-data; name=a\r\ncontent-disposition: form-data; name=pin\r\n\r\n1\r\n--B--"
    )
    assert scanner.parts[0].names == ["a", "pin"]


def test_field_text_is_capped_over_all_parts() -> None:
    """The limit is one for the whole body; sizes stay true."""
    scanner = scan(part("a", b"x" * 6) + part("b", b"y" * 6) + part("c", b"z") + b"--B--", limit=8)
    assert [(bytes(found.content), found.size) for found in scanner.parts] == [(b"xxxxxx", 6), (b"yy", 6), (b"", 1)]


def test_parts_are_bounded() -> None:
    """After the hundredth part only their number is known."""
    scanner = scan(b"".join(part("a", b"x") for _ in range(150)) + b"--B--", size=7)
    assert (len(scanner.parts), scanner.more, scanner.complete) == (100, 50, True)


@pytest.mark.parametrize("size", [0, 100])
def test_endless_headers_end_the_reading(size: int) -> None:
    """A header block beyond 8 KiB is an attack, and nothing after it is read."""
    scanner = scan(b"--B\r\nX: " + b"y" * 9000 + b"\r\n\r\n" + part("a", b"x"), size)
    assert scanner.malformed
    assert scanner.parts == []
    scanner.feed(b"more")


@pytest.mark.parametrize("boundary", ["", "x" * 201])
def test_a_boundary_must_be_one(boundary: str) -> None:
    """No boundary, or an absurd one, is a malformed body."""
    scanner = MultipartScanner(boundary, 10)
    scanner.feed(b"--" + boundary.encode())
    assert scanner.malformed
    assert not scanner.complete


def test_padding_after_a_delimiter_is_none_of_the_content() -> None:
    """RFC 2046 allows blanks between the boundary and the line's end."""
    scanner = scan(b"preamble\r\n--B \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--epilogue", 1)
    assert [bytes(found.content) for found in scanner.parts] == [b"1"]


def test_what_another_parser_may_see_as_a_delimiter_is_noticed() -> None:
    """A field with the boundary in it may be two fields to a lenient parser."""
    scanner = scan(
        part("a", b"1\n--B\nContent-Disposition: form-data; name=pin\n\n1234") + part("b", b"\r\n--Bx") + b"--B--"
    )
    assert [scanner.ambiguous(found) for found in scanner.parts] == [True, True]
