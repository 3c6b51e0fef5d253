import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import redacted
from asgi_audit.redaction.secretforms import SecretForms
from asgi_audit.redaction.urlencoded import URLEncoded

NAMES = DeniedNames()
FORM = URLEncoded(NAMES, SecretForms(NAMES, redacted), redacted)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("", ""),
        ("&&=&a&b=&=c", "&&=&a&b=&=c"),
        ("a=1&password=x+y%21&b=2", "a=1&password=[redacted]&b=2"),
        ("password=&pin", "password=&pin"),
        ("user%5Bpassword%5D=x", "user%5Bpassword%5D=[redacted]"),
        ("pin=1;2&a=3", "pin=[redacted]&a=3"),
        ("a=1;pin=2;c=3&d=4", "a=1;pin=[redacted]&d=4"),
        ("a=1;b=2;c", "a=1;b=2;c"),
        ("h=Bearer+abc&b=a+b", "h=[redacted]&b=a+b"),
        ("Basic+YWJj=1", "[redacted]=1"),
        ("next=https://u:p@h/", "next=https://[redacted]@h/"),
        ("data=%7B%22pin%22%3A1%7D", "data=[redacted]"),
        ('data={"pin":1,"a":2}', 'data={"pin":[redacted]'),
    ],
)
def test_queries_and_forms(text: str, clean: str) -> None:
    """Values go by name and by form, encoded ones too; everything else stays byte for byte."""
    assert FORM.redact(text) == clean


def test_the_last_pair_of_a_cut_text_may_be_half() -> None:
    """Only the last value is in doubt, and half a secret gets no pseudonym."""
    shown = URLEncoded(NAMES, SecretForms(NAMES, redacted), lambda secret: f"<{secret!r}>")
    assert shown.redact("pin=a%20b&pin=12", cut=True) == "pin=<b'a b'>&pin=[redacted]"
    assert shown.redact("u=https://user:se", cut=True) == "u=https://[redacted]"


@given(st.text(st.sampled_from("abc123/._-&=+;")))
def test_what_is_not_secret_stays(text: str) -> None:
    """Without a denied name or a secret form, the text is returned as it came."""
    assert FORM.redact(text) == text
