"""Actors who act by an API key."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit import Actor, AuditTrail, api_key
from asgi_audit.errors import ConfigurationError
from asgi_audit.redaction import Pseudonyms
from asgi_audit.testing import MemorySink


@given(st.binary(min_size=1) | st.text(min_size=1))
def test_the_key_can_be_told_by_its_fingerprint_alone(key: str | bytes) -> None:
    """The same key has the same id, a text counts as its UTF-8, and nothing of the key is in the actor."""
    actor = api_key(key, name="CI")
    secret = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    assert actor.id == f"sha256:{hashlib.sha256(b'asgi-audit/1 api key' + bytes([10]) + secret).hexdigest()[:16]}"
    assert (actor.type, actor.name, actor.on_behalf_of) == ("api_key", "CI", None)
    assert api_key(secret).id == actor.id


def test_keys_that_can_be_guessed_get_a_keyed_mark() -> None:
    """Only who holds the secret can try a candidate."""
    pseudonyms = Pseudonyms(b"k" * 32, "2026")
    assert api_key("1234", pseudonyms=pseudonyms).id == pseudonyms.value("1234")
    assert api_key("1234", pseudonyms=pseudonyms) != api_key("1234", pseudonyms=Pseudonyms(b"l" * 32, "2026"))


@pytest.mark.parametrize("key", ["", b""])
def test_no_key_is_nobody_s(key: str | bytes) -> None:
    """A slip of the application must not make all who have no key one and the same actor."""
    with pytest.raises(ConfigurationError, match="key="):
        api_key(key)


@pytest.mark.parametrize("pseudonyms", [None, Pseudonyms(b"k" * 32, "2026")])
def test_the_fingerprint_passes_the_redactor(pseudonyms: Pseudonyms | None) -> None:
    """It is no secret, and on record as it is, with whom the key acts for."""
    sink = MemorySink()
    actor = api_key("sk_live_51H", on_behalf_of=Actor("7", type="user"), pseudonyms=pseudonyms)
    with AuditTrail(sink) as trail:
        trail.event("invoice.import", actor=actor)
    (record,) = sink.records
    assert record.actor is not None
    assert (record.actor.id, record.actor.type) == (actor.id, "api_key")
    assert record.actor.on_behalf_of == Actor("7", type="user")
