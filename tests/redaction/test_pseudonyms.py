import hashlib
import hmac

import pytest

from asgi_audit.errors import ConfigurationError
from asgi_audit.redaction.pseudonyms import MARKS, Pseudonyms, redacted

KEY = b"0123456789abcdef"


def test_a_candidate_can_be_checked_by_the_holder_of_the_key() -> None:
    """The mark is HMAC-SHA256 over a domain and the value, with the key's name in front; text counts as UTF-8."""
    digest = hmac.new(KEY, b"asgi-audit/1 value\nh\xc3\xa9", hashlib.sha256).hexdigest()
    assert (
        Pseudonyms(KEY, "2026-1").value("hé")
        == Pseudonyms(KEY, "2026-1").value("hé".encode())
        == f"[hmac:2026-1:{digest}]"
    )


def test_values_and_bodies_cannot_be_confused() -> None:
    """The same bytes have another digest as a body, so that neither tells of the other."""
    pseudonyms = Pseudonyms(KEY, "k", bodies=True)
    state = pseudonyms.body()
    state.update(b"same")
    assert pseudonyms.mark(state) != pseudonyms.value(b"same")
    assert MARKS.fullmatch(pseudonyms.mark(state))


def test_equal_secrets_under_other_keys_differ() -> None:
    """No key, no correlation."""
    assert Pseudonyms(KEY, "k").value("x") != Pseudonyms(b"another key bytes", "k").value("x")


def test_the_key_is_never_shown() -> None:
    """Neither the representation nor an error message tells the key."""
    assert repr(Pseudonyms(KEY, "k")) == "Pseudonyms(key_id='k', bodies=False)"
    with pytest.raises(ConfigurationError) as caught:
        Pseudonyms(b"short-key", "k")
    assert "short-key" not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        Pseudonyms("a string instead of bytes", "k")  # type: ignore[arg-type]
    assert "instead" not in str(caught.value)


@pytest.mark.parametrize("key_id", ["", "a b", "a:b", "a]", "x" * 65])
def test_a_key_id_must_fit_into_the_mark(key_id: str) -> None:
    """What could break the mark's form is refused."""
    with pytest.raises(ConfigurationError, match="key_id"):
        Pseudonyms(KEY, key_id)


def test_the_plain_mark_tells_nothing() -> None:
    """Without a key, every secret looks the same."""
    assert redacted("a") == redacted(b"b") == "[redacted]"
