import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pseudonyms import redacted
from asgi_audit.redaction.secretforms import SecretForms

FORMS = SecretForms(DeniedNames(), redacted)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        # pairs
        ("password=hunter2 user=ada", "password=[redacted] user=ada"),
        ("password: hunter2", "password: [redacted]"),
        ("password => 'hunter2', x", "password => '[redacted]', x"),
        ("token == abc", "token == [redacted]"),
        ("{'password': b'it\\'s', 'a': 1}", "{'password': b'[redacted]', 'a': 1}"),
        ('{"password":"a\\"b","a":1}', '{"password":"[redacted]","a":1}'),
        ('{\\"password\\":\\"x\\",\\"a\\":1}', '{\\"password\\":\\"[redacted]\\",\\"a\\":1}'),
        ('{\\"password\\":\\"x', '{\\"password\\":\\"[redacted]'),
        ("{'credentials': {'a': [1], 'b': 2}, 'c': 3}", "{'credentials': [redacted], 'c': 3}"),
        ("secret={'a': 1", "secret=[redacted]"),
        ("password='never closed", "password='[redacted]"),
        ("card number: 99", "card number: [redacted]"),
        ("the api key is: 99", "the api key is: [redacted]"),
        ("the colour key: 99", "the colour key: 99"),
        ("Authorization: Digest a=b, c=d\nHost: x", "Authorization: [redacted]\nHost: x"),
        ("token: Bearer abc def", "token: [redacted] def"),
        ("input={'password': 'x'}", "input={'password': '[redacted]'}"),
        ("password=", "password="),
        ("password=[redacted] x", "password=[redacted] x"),
        ("\uff50\uff49\uff4e\uff1d1234", "\uff50\uff49\uff4e\uff1d[redacted]"),
        ("=a :b", "=a :b"),
        # schemes
        ("Bearer abc.def", "Bearer [redacted]"),
        ("BEARER\tabc", "BEARER\t[redacted]"),
        ("a bearer token is needed", "a bearer token is needed"),
        ("Bearer realm=x", "Bearer realm=x"),
        ("the Basic plan", "the Basic plan"),
        ("Basic dXNlcjpwYXNz", "Basic [redacted]"),
        ("VisualBasic Code6", "VisualBasic Code6"),
        # JSON web tokens
        (f"got {JWT}!", "got [redacted]!"),
        (f"got x{JWT}", "got x[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9", "eyJhbGciOiJIUzI1NiJ9"),
        # URLs
        ("see https://u:p@h.example/x?a=b", "see https://[redacted]@h.example/x?a=b"),
        ("https://u:p@ss@h/x", "https://[redacted]@h/x"),
        ("amqp://u:p/q@h", "amqp://[redacted]@h"),
        ("http://h:8080/a@b", "http://h:8080/a@b"),
        ("https://@h/", "https://@h/"),
        ("https://h.example/a@b", "https://h.example/a@b"),
        # keys and cards
        ("x -----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY----- y", "x [redacted] y"),
        ("-----BEGIN RSA PRIVATE KEY-----AA", "[redacted]"),
        ("-----BEGIN CERTIFICATE-----AA", "-----BEGIN CERTIFICATE-----AA"),
        ("card 4111111111111111.", "card [redacted]."),
        ("card 4111 1111 1111 1111, 3782-822463-10005", "card [redacted], [redacted]"),
        ("9.4111111111111111e2", "9.4111111111111111e2"),
        ("order 4111111111111112 at 1700000000000", "order 4111111111111112 at 1700000000000"),
        ("5105105105105100, 2223003122003222, 6011000990139424", "[redacted], [redacted], [redacted]"),
        ("371449635398431, 6500000000000002, 6440000000000005", "[redacted], [redacted], [redacted]"),
        ("2221000000000009, 2720999999999996", "[redacted], [redacted]"),
        ("id 6200000000000005 1234567812345670 4111111111111111110 4222222222222 6304000000000000000",) * 2,
        (
            "2220999999999991 2721000000000004 5600000000000003 340000000000009 6430000000000007",
            "2220999999999991 2721000000000004 5600000000000003 [redacted] 6430000000000007",
        ),
        # moments
        ("pin 2026-11-23T12:00:00.123456+02:00, token: x", "pin 2026-11-23T12:00:00.123456+02:00, token: [redacted]"),
        ("pin=2026-11-23 12:00:00", "pin=[redacted] 12:00:00"),
        ("pin-2026-11-23T12:00", "pin-2026-11-23T12:[redacted]"),
        ("2026-11-23T12:4111111111111111", "2026-11-23T12:[redacted]"),
        ("2026-11-23T12:30:pin=5", "2026-11-23T12:30:pin=[redacted]"),
        # percent-encoding
        ("go /login%3Ftoken%3Dabc now", "go [redacted] now"),
        ("50% of token%3Dx and pin=1 and 100%", "50% of [redacted] and pin=[redacted] and 100%"),
        ("a%25252525b", "[redacted]"),
        ("a%20b%2Fc", "a%20b%2Fc"),
    ],
)
def test_what_gives_itself_away(text: str, clean: str) -> None:
    """A secret is masked, what stands around it stays, and what only looks like one is left alone."""
    assert FORMS.redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "https://user:secr",
        f"x {JWT[:12]}",
        f"x {JWT[:30]}",
        "Bearer secr",
        "password=secr",
        "password='secr",
        "token%3Dsecr",
        "%65yJabc",
    ],
)
def test_the_beginning_of_a_secret_at_a_cut_is_masked(text: str) -> None:
    """Where a text was cut, what may be half a secret goes."""
    assert FORMS.redact(text, cut=True).endswith(("[redacted]", "'[redacted]"))
    assert "secr" not in FORMS.redact(text, cut=True)


def test_half_a_secret_gets_no_pseudonym() -> None:
    """A pseudonym of a beginning would correlate with nothing, so the plain mark stands there."""
    forms = SecretForms(DeniedNames(), lambda secret: f"<{len(secret)}>")
    assert forms.redact("pin=1234 pin=12", cut=True) == "pin=<4> pin=[redacted]"


def test_a_limit_inside_a_secret_masks_all_of_it() -> None:
    """The limit is an index of the text that came in; a secret across it is seen whole."""
    assert FORMS.redact(f"ab {JWT} cd", limit=10) == "ab [redacted]"
    assert FORMS.redact("ab password=secret cd", limit=1) == "a"
    assert FORMS.redact("pin=1 and more", limit=9) == "pin=[redacted] and"
    assert FORMS.redact("nothing here", limit=7) == "nothing"
    assert FORMS.redact("short", limit=2) == "sh"


@given(
    st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("eyJ.=: @/%-{}'\"\\Bearer4pin3D")),
    st.booleans(),
)
def test_redacting_is_total_and_settles(text: str, cut: bool) -> None:
    """Nothing raises, and a clean text has nothing more to hide."""
    clean = FORMS.redact(text, cut=cut)
    assert FORMS.redact(FORMS.redact(clean)) == FORMS.redact(clean)


@pytest.mark.parametrize(
    "unit",
    ["eyJ", "eyJ.", "a=", "a:", "://", "://a:b", "Bearer ", "basic  ", "-----BEGIN ", "-----BEGIN PRIVATE KEY", "4111 ",
    "4111", "%", "%3D",
     "password={", "password='", "password=\\\"", "\\", "a" * 50 + "=", "key:", "x.", "\u200b=", "@", "(", "%2525"],
)  # fmt: skip
def test_a_long_text_made_to_backtrack_is_only_long(unit: str) -> None:
    """The work is linear: what would keep a backtracking expression busy for years is done in the time a test has."""
    FORMS.redact(unit * (100_000 // len(unit)), cut=True)


def test_a_long_number_that_names_something_is_no_card() -> None:
    """Without `cards` numbers stay, and every other form is masked as ever."""
    ids = SecretForms(DeniedNames(), redacted, cards=False)
    assert ids.redact("order-4111111111111111") == "order-4111111111111111"
    assert ids.redact("4111-1111-1111-1111, Bearer abc") == "4111-1111-1111-1111, Bearer [redacted]"
    assert ids.redact(f"4111%2D111111111111%20 {JWT}") == "4111%2D111111111111%20 [redacted]"
