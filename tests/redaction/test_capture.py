import codecs
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.escape import unescape
from asgi_audit.record import Body, Part
from asgi_audit.redaction import Pseudonyms, Redactor

FORM = "application/x-www-form-urlencoded"
KEY = b"0123456789abcdef"


def body(
    raw: bytes,
    type_: str | bytes | None,
    encoding: str | bytes | None = None,
    *,
    size: int = 0,
    redactor: Redactor | None = None,
) -> Body:
    """Capture a body in chunks of `size`, by default at once."""
    capture = (redactor or Redactor(body_limit=100)).capture(type_, encoding)
    for start in range(0, len(raw), size or max(len(raw), 1)):
        capture.feed(raw[start : start + (size or len(raw))])
    return capture.finish()


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Make a multipart body of (headers, content) pairs."""
    return b"".join(b"--B\r\n%s\r\n\r\n%s\r\n" % (head.encode(), content) for head, content in parts) + b"--B--\r\n"


@pytest.mark.parametrize(
    ("raw", "type_", "expected"),
    [
        (
            b'{"pin":1,"a":"\\n"}',
            b"application/json",
            Body(size=18, type="application/json", text='{"pin":"[redacted]","a":"\\\\n"}'),
        ),
        (b"a=1&pin=2", FORM, Body(size=9, type=FORM, text="a=1&pin=[redacted]")),
        (b"a\xff pin=2", "Text/Plain;charset=utf-8", Body(size=8, type="text/plain", text="a\\xFF pin=[redacted]")),
        (b'{"pin":2}', "text/plain", Body(size=9, type="text/plain", text='{"pin":"[redacted]"}')),
        (b"", "application/json", Body(size=0, type="application/json")),
        (b"", None, Body(size=0)),
        (b"<a/>", "application/xml", Body(size=4, type="application/xml", dropped="unsupported type")),
        (b"{}", None, Body(size=2, dropped="unsupported type")),
        (b"{}", "", Body(size=2, dropped="unsupported type")),
        (b"{}", ";", Body(size=2, dropped="unsupported type")),
        (
            b"{}",
            b"a\n\xff" + b"b" * 200,
            Body(size=2, type="a\\x0A\\xFF" + "b" * 125 + "\\[cut 203]", dropped="unsupported type"),
        ),
        (
            b'{"a":1} x',
            "application/json",
            Body(size=9, type="application/json", text='{"a":1} ', cut=True, dropped="malformed JSON"),
        ),
    ],
)
def test_each_kind_of_body(raw: bytes, type_: str | bytes | None, expected: Body) -> None:
    """What can be redacted is kept, of everything else the type, the size and the reason."""
    assert body(raw, type_) == body(raw, type_, size=1) == expected


@pytest.mark.parametrize(
    ("raw", "type_", "text", "dropped"),
    [
        ('{"pin":"é"}'.encode("utf-16"), "application/json; charset=utf-16", '{"pin":"[redacted]"}', None),
        ('{"é":1}'.encode("utf-16-le"), "application/json", '{"é":1}', None),
        ('{"é":1}'.encode("utf-32-be"), "application/json; charset=utf-8", '{"é":1}', None),
        (codecs.BOM_UTF8 + b'{"pin":1}', "application/json", '\ufeff{"pin":"[redacted]"}', None),
        ('{"é":1}'.encode("latin-1"), "application/json; charset=ISO-8859-1", '{"é":1}', None),
        (b'{"\xe9":1}', "application/json", '{"\\xE9":1}', None),
        (b"{}", "application/json; charset=utf-7", None, "unsupported charset"),
        (b"{}", "application/json; charset=nonsense", None, "unsupported charset"),
        (b"{}", "application/json; charset=a\x00b", None, "unsupported charset"),
        (b"{}", "application/json; charset=utf-8; charset=latin-1", None, "unsupported charset"),
        (b"a=1", f"{FORM}; charset=utf-16", None, "unsupported charset"),
        (b"\x81", "text/plain; charset=cp1252", None, "not in its charset"),
        ("a pin=1".encode("utf-16"), "text/plain", None, "unsupported charset"),
        ("a pin=1".encode("utf-16"), "text/plain; charset=utf-16", "a pin=[redacted]", None),
        (b"a\x00b", "text/plain", "a\\x00b", None),
    ],
)
def test_charsets(raw: bytes, type_: str, text: str | None, dropped: str | None) -> None:
    """What a JSON parser would go by is gone by; a charset that might hide something is not read."""
    assert (found := body(raw, type_)).dropped == dropped
    assert found.text == text


@pytest.mark.parametrize("encoding", ["gzip", b"br", "identity, gzip", "\x00"])
def test_compressed_bodies_are_not_read(encoding: str | bytes) -> None:
    """What is encoded cannot be redacted; `identity` is no encoding."""
    assert body(b"{}", "application/json", encoding) == Body(size=2, type="application/json", dropped="encoded")
    assert body(multipart(), "multipart/form-data; boundary=B", encoding).dropped == "encoded"
    assert body(b"{}", "application/json", b" Identity ").text == "{}"


@given(st.binary(max_size=300), st.sampled_from(["text/plain", FORM]), st.integers(1, 50))
def test_the_beginning_is_exact_and_the_rest_is_counted(raw: bytes, type_: str, size: int) -> None:
    """At most the limit is kept, in whole characters, and the length of the whole is told, whatever the chunks."""
    raw = raw.translate(bytes.maketrans(b"=:;%+-", b"      "))
    found = body(raw, type_, size=size)
    assert found.size == len(raw)
    assert found.cut == (len(raw) > 100)
    kept = unescape(found.text or "")
    assert raw.startswith(kept)
    assert len(kept) > 96 or kept == raw


def test_json_cut_by_the_limit_is_still_redacted() -> None:
    """The secret that stands across the limit is masked, and the text says that it is cut."""
    found = body(json.dumps({"note": "x" * 70, "password": "hunter2" * 20}).encode(), "application/json")
    assert found.cut
    assert found.dropped is None
    assert (found.text or "").endswith('"password": "[redacted]"')


def test_a_limit_of_nothing_keeps_nothing() -> None:
    """With `body_limit=0` only type and size are left."""
    assert body(b"{}", "application/json", redactor=Redactor(body_limit=0)) == Body(
        size=2, type="application/json", text="", cut=True
    )


@pytest.mark.parametrize("size", [0, 1, 7])
def test_multipart(size: int) -> None:
    """Fields by name and form, files by name and size, in any chunks."""
    raw = multipart(
        ('Content-Disposition: form-data; name="pin"', b"1234"),
        ('Content-Disposition: form-data; name="note"', b"Bearer abc"),
        ('Content-Disposition: form-data; name="f\n"; filename="a\x1b.txt"\r\nContent-Type: text/plain', b"hunter2"),
        ('Content-Disposition: form-data; name="j"\r\nContent-Type: application/json', b'{"pin":1}'),
        ('Content-Disposition: form-data; name="x"\r\nContent-Type: text/xml', b"<pin>1</pin>"),
        ("X: y", b"hunter2"),
        ('Content-Disposition: form-data; name="d"', b"1\n--B\npin"),
    )
    assert body(raw, "multipart/form-data; boundary=B", size=size) == Body(
        size=len(raw),
        type="multipart/form-data",
        parts=[
            Part(name="pin", size=4, text="[redacted]"),
            Part(name="note", size=10, text="Bearer [redacted]"),
            Part(name="f\\x0A", filename="a\\x1B.txt", type="text/plain", size=7),
            Part(name="j", type="application/json", size=9, text='{"pin":"[redacted]"}'),
            Part(name="x", type="text/xml", size=12),
            Part(name="", size=7),
            Part(name="d", size=9),
        ],
    )


def test_multipart_beyond_the_limit() -> None:
    """Field text is capped over all parts; half a secret gets no pseudonym."""
    shown = Redactor(body_limit=6, pseudonyms=Pseudonyms(KEY, "k"))
    raw = multipart(
        ('Content-Disposition: form-data; name="a"', b"xxxx"), ('Content-Disposition: form-data; name="pin"', b"1234")
    )
    found = body(raw, "multipart/form-data; boundary=B", redactor=shown)
    assert found.cut
    assert [part.text for part in found.parts or []] == ["xxxx", "[redacted]"]


@pytest.mark.parametrize(
    "type_", ["multipart/form-data", "multipart/form-data; boundary=B; boundary=C", "multipart/form-data; boundary=C"]
)
def test_a_multipart_body_that_cannot_be_read_says_so(type_: str) -> None:
    """No boundary, two of them, or one that never comes."""
    raw = multipart(('Content-Disposition: form-data; name="a"', b"1"))
    assert body(raw, type_) == Body(size=len(raw), type="multipart/form-data", dropped="malformed multipart")
    assert body(b"", type_) == Body(size=0, type="multipart/form-data")


def test_digests_are_of_the_whole_body() -> None:
    """With `bodies=True` a candidate for the complete body can be checked, by the key's holder alone."""
    raw = b'{"a":"%s"}' % (b"x" * 500)
    expected = hmac.digest(KEY, b"asgi-audit/1 body\n" + raw, "sha256").hex()
    keyed = Redactor(body_limit=10, pseudonyms=Pseudonyms(KEY, "k", bodies=True))
    assert body(raw, "application/json", size=9, redactor=keyed).digest == f"[hmac:k:{expected}]"
    assert body(raw, "multipart/form-data; boundary=B", redactor=keyed).digest == f"[hmac:k:{expected}]"
    assert body(raw, "application/json", redactor=Redactor(pseudonyms=Pseudonyms(KEY, "k"))).digest is None


def test_chunks_that_are_no_bytes_are_ignored() -> None:
    """What an application sends wrongly is the server's business; a view of bytes is bytes."""
    capture = Redactor().capture("text/plain")
    capture.feed("text")  # type: ignore[arg-type]
    capture.feed(None)  # type: ignore[arg-type]
    capture.feed(memoryview(b"ab"))  # type: ignore[arg-type]
    capture.feed(bytearray(b"cd"))  # type: ignore[arg-type]
    assert capture.finish() == Body(size=4, type="text/plain", text="abcd")


def test_a_body_that_cannot_be_redacted_is_dropped() -> None:
    """If redaction itself fails, nothing of the body leaves."""
    capture = Redactor().capture("application/json")
    capture.feed(b'{"pin":"1234"}')

    def exhaust() -> Body:
        try:
            return exhaust()
        except RecursionError:
            return capture.finish()

    found = exhaust()
    assert "1234" not in str(found)
