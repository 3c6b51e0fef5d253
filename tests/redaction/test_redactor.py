import json

import msgspec
import pytest

from asgi_audit.errors import ConfigurationError
from asgi_audit.escape import escape, split_cut, unescape
from asgi_audit.redaction import Pseudonyms, Redactor
from tests.canaries import CANARIES, MULTIPART, Canary, leaks
from tests.hostile import HOSTILE, Hostile, as_bytes

KEY = b"0123456789abcdef"
REDACTORS = [Redactor(), Redactor(pseudonyms=Pseudonyms(KEY, "k1", bodies=True))]


def passed(redactor: Redactor, canary: Canary) -> str:
    """Everything that a canary's content becomes in its place."""
    content = canary.content
    match canary.place:
        case "query":
            return redactor.query(content)
        case "header":
            return str(redactor.headers([(content[0].encode(), content[1].encode())]))
        case "text":
            return redactor.text(content) + redactor.text(content.encode()) + str(redactor.value([content]))
        case "data":
            return json.dumps(redactor.value(content))
        case _:
            outputs = []
            for size in (1, 10, 1000):
                capture = redactor.capture(content[0])
                for start in range(0, len(content[1]), size):
                    capture.feed(content[1][start : start + size])
                outputs.append(msgspec.json.encode(capture.finish()).decode())
            return "".join(outputs)


@pytest.mark.parametrize("redactor", REDACTORS, ids=["plain", "keyed"])
@pytest.mark.parametrize("canary", CANARIES, ids=lambda canary: canary.label)
def test_no_canary_leaves(canary: Canary, redactor: Redactor) -> None:
    """Each of the secrets, sent in its place, is in nothing that comes out."""
    assert not leaks(canary, passed(redactor, canary))


@pytest.mark.parametrize(
    "canary",
    [canary for canary in CANARIES if canary.place in ("query", "body", "text")],
    ids=lambda canary: canary.label,
)
def test_no_canary_leaves_at_a_cut(canary: Canary) -> None:
    """Wherever the limit falls, not even the secret's first half is kept."""
    whole = canary.content[1] if canary.place == "body" else canary.content
    half = canary.secret[:9]
    for limit in range(len(whole)):
        if canary.place == "body":
            capture = Redactor(body_limit=limit).capture(canary.content[0])
            capture.feed(whole)
            output = str(capture.finish())
        elif canary.place == "text":
            output = Redactor().text(whole, limit)
        else:
            output = Redactor().query(b"p=" + b"x" * (8192 - 3 - limit) + b"&" + whole)
        assert half not in output


def test_the_canaries_are_distinct_and_many() -> None:
    """At least a hundred, each with a secret and a label of its own."""
    assert (
        len({canary.secret for canary in CANARIES})
        == len({canary.label for canary in CANARIES})
        == len(CANARIES)
        >= 100
    )
    assert {canary.place for canary in CANARIES} == {"query", "header", "body", "text", "data"}


@pytest.mark.parametrize(
    "canary", [canary for canary in CANARIES if canary.place != "header"], ids=lambda canary: canary.label
)
def test_a_canary_would_be_found(canary: Canary) -> None:
    """The search finds a secret that was only escaped, or else the test above would prove nothing."""
    assert (
        leaks(canary, str(canary.content))
        or canary.secret.encode("utf-16")[2:] in canary.content[1]
        or "JWT" in canary.label
    )


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile[0])
def test_hostile_strings_are_kept_exactly(hostile: Hostile) -> None:
    """In every place, the exact bytes come back, or a beginning with the length of the whole; and JSON takes it all."""
    _, value = hostile
    raw = as_bytes(value)
    redactor = Redactor()
    capture = redactor.capture("text/plain")
    capture.feed(raw)
    body = capture.finish()
    header = redactor.headers([(b"x-any", raw)])[0][1]
    data = redactor.value({"a": value})["a"]
    assert msgspec.json.encode([body, header, data])
    for output, whole in [
        (redactor.query(raw), len(raw)),
        (redactor.text(value), len(value)),
        (header, len(raw)),
        (data, len(value)),
        (body.text or "", None),
    ]:
        kept, length = split_cut(output)
        assert length in (None, whole)
        assert raw.startswith(unescape(kept))
        assert length or body.cut or unescape(kept) == raw


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile[0])
def test_hostile_structure_is_survived(hostile: Hostile) -> None:
    """As JSON, form, multipart, types, names and keys, nothing raises and nothing unsafe comes out."""
    _, value = hostile
    raw = as_bytes(value)[:20_000]
    redactor = Redactor()
    for type_ in ("application/json", "application/x-www-form-urlencoded", MULTIPART, raw):
        capture = redactor.capture(type_, b"")
        capture.feed(raw)
        encoded = msgspec.json.encode(capture.finish())
        assert b"\\u0000" not in encoded.replace(b"\\\\", b"")
    assert msgspec.json.encode([redactor.headers([(raw, raw)]), redactor.value({value: value})])


def test_headers_keep_order_names_and_repetition() -> None:
    """Names as they were sent; denied ones masked; secret forms masked in the rest."""
    headers = [
        (b"Accept", b"*/*"),
        (b"X-Api-Key", b"1"),
        (b"via", b"1.1 a"),
        (b"via", b"1.1 b"),
        (b"referer", b"/?token=x"),
        (b"Cookie", b"a=b"),
    ]
    assert Redactor().headers(iter(headers)) == [
        ("Accept", "*/*"), ("X-Api-Key", "[redacted]"), ("via", "1.1 a"), ("via", "1.1 b"), ("referer",
        "/?token=[redacted]"), ("Cookie", "[redacted]"),
    ]  # fmt: skip


def test_credentials_headers_cannot_be_allowed() -> None:
    """`allow` frees names, but not the headers that carry credentials by definition."""
    redactor = Redactor(allow=["cookie", "authorization", "set-cookie", "proxy-authorization", "x-session"])
    headers = [(name, b"s3cr3t") for name in (b"Cookie", b"authorization", b"Set-Cookie ", b"Proxy-Authorization")]
    assert {value for _, value in redactor.headers(headers)} == {"[redacted]"}
    assert redactor.headers([(b"x-session", b"open")]) == [("x-session", "open")]


def test_headers_are_bounded() -> None:
    """A hundred headers of 4 KiB, and how many there were."""
    kept = Redactor().headers([(b"n" * 1000, b"v" * 5000)] * 150)
    assert kept[0] == ("n" * 256 + "\\[cut 1000]", "v" * 4096 + "\\[cut 5000]")
    assert len(kept) == 101
    assert kept[-1] == ("\\[cut 150]", "")


def test_memory_for_header_names_is_bounded() -> None:
    """However many names clients invent, only so many are remembered, and long ones never."""
    redactor = Redactor()
    for number in range(2000):
        redactor.headers([(b"x-%d" % number, b"v")])
    remembered = redactor._remembered.cache_info().currsize
    assert redactor.headers([(b"x" * 65, b"v")]) == [("x" * 65, "v")]
    assert redactor._remembered.cache_info().currsize == remembered <= 1024


def test_long_queries_are_cut_between_characters() -> None:
    """The beginning and the length of the whole; a secret at the cut is masked."""
    raw = "é".encode() * 5000
    assert Redactor().query(raw) == "é" * 4096 + "\\[cut 10000]"
    assert Redactor().query(b"a=" + b"x" * 8000 + b"&pin=" + b"1" * 1000).endswith("&pin=[redacted]\\[cut 9007]")
    assert Redactor().query(b"") == ""


def test_texts_are_cut_between_characters() -> None:
    """A str counts characters, bytes count bytes; a secret across the cut is masked as a whole."""
    assert Redactor().text("é" * 10, 5) == "é" * 5 + "\\[cut 10]"
    assert Redactor().text("é".encode() * 10, 5) == "é" * 2 + "\\[cut 20]"
    assert Redactor().text("é".encode() * 10000, 5) == "é" * 2 + "\\[cut 20000]"
    assert Redactor().text(b"x https://user:pass@h.example/ y", 14) == "x https://[redacted]\\[cut 32]"
    assert Redactor().text("x https://user:" + "p" * 5000, 14) == "x https://[redacted]\\[cut 5015]"
    assert Redactor().text("x" * 5000, None) == "x" * 5000


def test_identifiers_keep_long_numbers() -> None:
    """One order number in ten has the check digit of a payment card, and a trail must say which order it was."""
    redactor = Redactor()
    assert redactor.text("4111111111111111") == "[redacted]"
    assert redactor.identifier("4111111111111111") == "4111111111111111"
    assert redactor.identifier(b"/orders/4111111111111111?token=x", 64) == "/orders/4111111111111111?token=[redacted]"
    assert redactor.identifier("/reset/token=abc\n") == "/reset/token=[redacted]\\x0A"
    assert redactor.identifier("x" * 20, 10) == "x" * 10 + "\\[cut 20]"
    assert redactor.value({"order": 4111111111111111, "pin": 1}, identifiers=True) == {
        "order": 4111111111111111,
        "pin": "[redacted]",
    }


def test_equal_secrets_correlate_wherever_they_were_sent() -> None:
    """With pseudonyms, one secret has one mark in query, form, JSON, header, text and data."""
    pseudonyms = Pseudonyms(KEY, "k1")
    redactor = Redactor(pseudonyms=pseudonyms)
    mark = pseudonyms.value("a b!")
    assert redactor.query(b"token=a+b%21") == f"token={mark}"
    assert redactor.headers([(b"x-token", b"a b!")]) == [("x-token", mark)]
    assert redactor.text("token='a b!'") == f"token='{mark}'"
    assert redactor.value({"token": "a b!"}) == {"token": mark}
    capture = redactor.capture("application/json")
    capture.feed(b'{"token":"a b\\u0021"}')
    assert capture.finish().text == escape(json.dumps({"token": mark}, separators=(",", ":")))


def test_what_cannot_be_redacted_is_marked() -> None:
    """Input of the wrong type costs its content, never an exception."""
    redactor = Redactor()
    assert redactor.text(5) == "\\[unredactable]"  # type: ignore[arg-type]
    assert redactor.identifier(5) == "\\[unredactable]"  # type: ignore[arg-type]
    assert redactor.query("text") == "\\[unredactable]"  # type: ignore[arg-type]
    assert redactor.headers([5]) == [("\\[unredactable]", "")]  # type: ignore[list-item]
    assert redactor.headers(None) == [("\\[unredactable]", "")]  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [-1, 1.5, "16k", True])
def test_a_limit_is_a_number_of_bytes(limit: int) -> None:
    """Anything else is refused, with the argument's name."""
    with pytest.raises(ConfigurationError, match="body_limit"):
        Redactor(body_limit=limit)


def test_the_representation_shows_no_key() -> None:
    """A redactor may end up in a log line."""
    assert repr(REDACTORS[1]) == "Redactor(body_limit=16384, pseudonyms=Pseudonyms(key_id='k1', bodies=True))"
