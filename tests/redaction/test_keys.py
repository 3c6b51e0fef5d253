import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_audit.errors import ConfigurationError
from asgi_audit.redaction.keys import DeniedNames
from tests.canaries import KEYS

DEFAULT = DeniedNames()


@pytest.mark.parametrize(
    "name",
    [
        *KEYS, "Authorization", "Cookie", "set-cookie", "accesstoken", "sessionid", "PHPSESSID", "connect.sid", "pwd",
        "sig", "userpwd", "db_pass",
        "user.pin", "PIN", "pIn", "pins", "OTPCode", "cvv2", "card_cvc", "security_code", "x-amz-signature",
        "SAMLResponse",
        "pass\\u0077ord", "%70assword", "%2570assword", "%252525252570assword", "%u0070assword", "\\x70assword",
        "p\u0430ss.token", "pass\x00word", "password[]",
        "pässwörd", "a" * 100 + "password", "a" * 2000,
    ],
)  # fmt: skip
def test_names_denied_by_default(name: str) -> None:
    """Every usual spelling of a secret's name is found, encoded or disguised ones too."""
    assert DEFAULT.denies(name)


@pytest.mark.parametrize(
    "name",
    [
        "shipping", "option", "spinning", "footprint", "className", "company", "panel", "compass", "passenger", "name",
        "key", "id", "email",
        "author", "code", "zip_code", "number", "", "_", "%", "hopping_list", "pinned", "shipPing", "expanse",
        "a" * 100, "日本語", "sidebar", "design", "signal",
    ],
)  # fmt: skip
def test_names_that_only_look_alike(name: str) -> None:
    """A short word inside a longer one gives nothing away."""
    assert not DEFAULT.denies(name)


def test_deny_adds_names_by_the_same_rules() -> None:
    """Up to four letters match as a whole word, longer names anywhere."""
    names = DeniedNames(deny=["iban", "t_id", "Steuer-Nummer"])
    assert all(
        map(
            names.denies,
            ["IBAN", "customer_iban", "ibans", "user_t_id", "tid", "steuernummer", "dieSteuerNummerAlt", "password"],
        )
    )
    assert not any(map(names.denies, ["caribbean", "ibanez", "tidy"]))


def test_allow_frees_exactly_the_names_it_lists() -> None:
    """One name in any spelling, and not what merely contains it."""
    names = DeniedNames(allow=["max_tokens", "session"])
    assert not any(map(names.denies, ["max_tokens", "maxTokens", "MAX-TOKENS", "session", "Session"]))
    assert all(map(names.denies, ["token", "session_id", "max_tokens_secret"]))


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"deny": "iban"}, "deny"),
        ({"allow": "iban"}, "allow"),
        ({"deny": [""]}, "deny"),
        ({"deny": ["--"]}, "deny"),
        ({"allow": [5]}, "allow"),
        ({"deny": ["tax-id"], "allow": ["taxId"]}, "deny"),
    ],
)
def test_names_that_cannot_work_are_refused(arguments: dict[str, list[str]], argument: str) -> None:
    """One string instead of a list, an empty name, and a name on both lists are mistakes."""
    with pytest.raises(ConfigurationError) as caught:
        DeniedNames(**arguments)
    assert caught.value.argument == argument


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_can_be_asked_for(name: str) -> None:
    """A client's names never raise, and separators in front or behind change nothing."""
    assert DEFAULT.denies(name) == DEFAULT.denies(f"-{name}-")


def test_memory_for_names_is_bounded() -> None:
    """However many names clients invent, only so many are remembered, and long ones never."""
    names = DeniedNames()
    for number in range(5000):
        names.denies(f"name-{number}")
    remembered = names._remembered.cache_info().currsize
    names.denies("x" * 500)
    assert names._remembered.cache_info().currsize == remembered <= 2048
