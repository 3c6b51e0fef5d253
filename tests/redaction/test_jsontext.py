import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asgi_audit.redaction.jsonscan import Scan
from asgi_audit.redaction.jsontext import JSONText
from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import redacted
from asgi_audit.redaction.secretforms import SecretForms

NAMES = DeniedNames()
TEXT = JSONText(NAMES, SecretForms(NAMES, redacted), redacted)

scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=8)
names = st.sampled_from(["a", "b", "name", "password", "user_token", "pin"]) | st.text(max_size=5)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
SECRET = "s3cr3tVALUE"


def masked(value: Any) -> Any:
    """What a parser-based redactor makes of a document: the model that the text-based one is compared with."""
    match value:
        case dict():
            return {key: "[redacted]" if NAMES.denies(key) else masked(inner) for key, inner in value.items()}
        case list():
            return [masked(inner) for inner in value]
        case str():
            return TEXT.string(value)
        case int() if not isinstance(value, bool) and value >= 10**12:  # a negative number is no payment card
            clean = TEXT.string(str(value))
            return value if clean == str(value) else clean
    return value


@given(documents, st.booleans(), st.sampled_from([None, 2]))
def test_a_document_keeps_everything_but_its_secrets(document: Any, ascii_only: bool, indent: int | None) -> None:
    """The redacted text parses to what redacting the parsed document gives."""
    text, whole = TEXT.redact(json.dumps(document, ensure_ascii=ascii_only, indent=indent))
    assert whole
    assert repr(json.loads(text)) == repr(masked(document))


@given(documents, st.integers(0, 200))
def test_no_secret_survives_a_cut_anywhere(document: Any, at: int) -> None:
    """Wherever a document is cut, the value under a denied name is gone, and a valid beginning is no error."""
    full = json.dumps(
        {"x": document, "password": {"p": [SECRET, {"q": SECRET}]}, "token": SECRET, "l": f"Bearer {SECRET}"}
    )
    text, whole = TEXT.redact(full[: len(full) - at], cut=True)
    assert whole
    assert SECRET[:4] not in text


# What strings, names and numbers may be made of, to meet every reason for looking closer and every reason not to.
bits = st.sampled_from(
    [
        *[
            "",
            "a",
            "password",
            "pin",
            "Bearer abc",
            "basic x",
            "Basic eHl6",
            "eyJhIjoi",
            "eyJhIn0.x.y",
            "J",
            "B",
            "b",
            "-",
        ],
        *["https://h/", "://u:p@h", "http://u@h", "-----BEGIN PRIVATE KEY", "%3D", "+", "@", ":", "=", "\uff1a"],
        *["4111111111111111", "4111 1111 1111 1111", "3782-822463-10005", "123456789012345", "1"],
        *["2026-11-23T12:00:00+01:00", "2026-11-23 12:00", "x2026-11-23T12:00"],
        *['{"pin":1}', "[1", " [", "{", "}", "]", ",", " ", "\\", '"', "\n", "\x1e", "\ufeff", "é", "\ud800", "\0"],
    ]
)
strings = st.lists(bits, max_size=4).map("".join)
numbers = st.sampled_from(
    [4111111111111111, -4111111111111111, 1.5, 411111111111111.1, 10**16, 5105105105105100, 0, None, True, float("inf")]
)
rich = st.recursive(
    strings | numbers,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings | names, inner, max_size=5),
    max_leaves=12,
)
rich_texts = st.builds(
    json.dumps,
    rich,
    ensure_ascii=st.booleans(),
    indent=st.sampled_from([None, None, 2]),
    separators=st.sampled_from([None, (",", ":")]),
)


def scanned(text: str, cut: bool) -> tuple[str, bool]:
    """What the scanner makes of a text by itself."""
    return Scan(TEXT, text, cut, 0).run()


@example('[{"pin": 4111111111111111}, 4111111111111111]', 0, False)
@example('["a",\0', 0, True)
@example("[,", 0, True)
@given(rich_texts | st.lists(rich_texts | bits, max_size=3).map("".join), st.integers(0, 60), st.booleans())
def test_jumping_changes_nothing(text: str, off: int, cut: bool) -> None:
    """The quick way from hit to hit and the way through every token lead to the same text, whole or cut anywhere."""
    text = text[: max(len(text) - off, 0)] if cut else text
    assert TEXT.redact(text, cut=cut) == scanned(text, cut)


@given(st.text(st.sampled_from('{}[]:,"\\pin1 eyJ-.ntrueu0069\n')), st.booleans())
def test_jumping_changes_nothing_in_odd_texts(text: str, cut: bool) -> None:
    """Nor in what may be no JSON at all."""
    assert TEXT.redact(text, cut=cut) == scanned(text, cut)


@given(st.text(st.sampled_from('{}[]:,"\\pin1 eyJ-.ntrueu0069\n')), st.booleans())
def test_any_text_is_survived(text: str, cut: bool) -> None:
    """What is no JSON at all ends where it stops being JSON, without an error."""
    clean, whole = TEXT.redact(text, cut=cut)
    assert isinstance(clean, str)
    assert whole or len(clean) <= len(text) + 12


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"a" : 1 ,\t"b":[ ]}\n', '{"a" : 1 ,\t"b":[ ]}\n'),
        ('{"pin":1234,"pin":"x","a":1}', '{"pin":"[redacted]","pin":"[redacted]","a":1}'),
        ('{"pin": {"a":[1,{"b":2}]} }', '{"pin": "[redacted]" }'),
        ('{"pin":[],"a":{}}', '{"pin":"[redacted]","a":{}}'),
        ('{"pass\\u0077ord":"x"}', '{"pass\\u0077ord":"[redacted]"}'),
        ("[NaN,-Infinity,1e400,-0.0]", "[NaN,-Infinity,1e400,-0.0]"),
        ("[" + "1" * 5000 + "]", "[" + "1" * 5000 + "]"),
        ("[4111111111111111]", '["[redacted]"]'),
        ('{"a":1}\n{"token":2}\n', '{"a":1}\n{"token":"[redacted]"}\n'),
        ('\x1e{"a":1}\n\x1e"x"', '\x1e{"a":1}\n\x1e"x"'),
        ('\ufeff"Bearer abc"', '\ufeff"Bearer [redacted]"'),
        ('{"Basic YWJj":1}', '{"Basic [redacted]":1}'),
        ('"tab\tand\nbreak"', '"tab\tand\nbreak"'),
        ('["{\\"pin\\":1}"]', '["{\\"pin\\":\\"[redacted]\\"}"]'),
        ('["[note] Bearer abc"]', '["[note] Bearer [redacted]"]'),
        ("", ""),
        ("  ", "  "),
    ],
)
def test_exact_bytes_stay(text: str, clean: str) -> None:
    """Spaces, duplicates and odd numbers stay as they were sent; several documents in a row are fine."""
    assert TEXT.redact(text) == (clean, True)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"a":1} oops {"pin":2}', '{"a":1} '),
        ('{"pin" "x"}', '{"pin" '),
        ("{\"pin\":'x'}", '{"pin":'),
        ('{"pin":[1 2], "a":3}', '{"pin":"[redacted]"'),
        ('{"pin":[1}, "a":3}', '{"pin":"[redacted]"'),
        ("[1,]", "[1,"),
        ("{]", "{"),
        ("]", ""),
        (",", ""),
        ("[:1]", "["),
        ('["\\q"]', "["),
        ('{"\\q":1}', "{"),
        ('{"a":1,{}:2}', '{"a":1,'),
        ('{"a":"never closed', '{"a":'),
        ("{1:2}", "{"),
        ("tru", ""),
        ('{"a":1 "b":2}', '{"a":1 '),
    ],
)
def test_an_error_ends_the_text(text: str, clean: str) -> None:
    """What comes after a lexical or grammatical error cannot be judged, so it is dropped."""
    result = TEXT.redact(text)
    assert (result.text.rstrip(), result.whole) == (clean.rstrip(), False)


@pytest.mark.parametrize(
    ("text", "clean", "whole"),
    [
        ('{"password":"hunt', '{"password":"[redacted]"', True),
        ('{"password":12', '{"password":"[redacted]"', True),
        ('{"password":tru', '{"password":"[redacted]"', True),
        ('{"password":{"a":"hunt', '{"password":"[redacted]"', True),
        ('{"password":{"a":', '{"password":"[redacted]"', True),
        ('{"note":"Bearer hunt', '{"note":"Bearer [redacted]', True),
        ('{"note":"plain \\u00', '{"note":"plain \\u00', True),
        ('{"note":"pin=1\\', '{"note":"pin=[redacted]', True),
        ('{"note":"pin=1\\u00', '{"note":"pin=[redacted]', True),
        ('{"note":"\\qaaaaaaaaaa', '{"note":', False),
        ('{"passw', '{"passw', True),
        ("[1,fal", "[1,fal", True),
        ('{"a" "b', '{"a" ', False),
        ("{fal", "{", False),
    ],
)
def test_a_cut_text_ends_where_it_must(text: str, clean: str, whole: bool) -> None:
    """The last token of a cut text may be half; half a secret is masked, and what breaks the grammar still does."""
    assert TEXT.redact(text, cut=True) == (clean, whole)


def test_depth_is_no_danger() -> None:
    """A hundred thousand levels need a longer list, not a deeper stack."""
    deep = "[" * 100_000 + '{"pin":1}' + "]" * 100_000
    assert TEXT.redact(deep).text == deep.replace("1", '"[redacted]"')
    assert TEXT.redact('{"pin":' + deep + "}").text == '{"pin":"[redacted]"}'


def test_nesting_by_quotation_is_bounded() -> None:
    """JSON in strings is followed four times; what is quoted more often is masked as a whole."""
    text = '{"pin":"s3cr3t","a":1}'
    for level in range(6):
        assert "s3cr3t" not in TEXT.redact(text).text
        assert ("a" in TEXT.redact(text).text.replace("redacted", "")) == (level <= 4)
        text = json.dumps([text])


def test_a_number_has_a_pseudonym_of_its_digits() -> None:
    """The same secret sent as a number, as a string or with escapes gets the same mark; half a number gets none."""
    shown = JSONText(NAMES, SecretForms(NAMES, redacted), lambda secret: f"<{secret!s}>")
    assert (
        shown.redact('[{"pin":12},{"pin":"12"},{"pin":"\\u0031\\u0032"}]').text
        == '[{"pin":"<12>"},{"pin":"<12>"},{"pin":"<12>"}]'
    )
    assert shown.redact('{"pin":12', cut=True).text == '{"pin":"[redacted]"'
