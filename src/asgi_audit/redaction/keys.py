"""Which names are denied: the value under such a name never leaves the process."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from asgi_audit.errors import ConfigurationError

# Found anywhere in a name once its separators are gone: `userPassword`, `X-API-KEY`, `csrfmiddlewaretoken`.
ANYWHERE: Final = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential", "bearer", "jwt",
    "apikey", "accesskey", "privatekey", "signingkey", "encryptionkey", "masterkey", "authkey", "sshkey",
    "authorization", "cookie", "session", "sessid", "csrf", "xsrf", "samlresponse", "clientassertion",
    "amzsignature", "googsignature",
    "cardnumber", "cardno", "creditcard", "ccnumber", "ccnum", "cvv", "cvc", "securitycode", "socialsecurity",
    "pincode", "pinnumber", "userpin", "cardpin", "otpcode", "smsotp", "onetimecode", "verificationcode",
    "recoverycode", "backupcode", "mfacode", "twofactorcode",
)  # fmt: skip
# Found as a word of its own only, because other words contain them: `shipping`, `footprint`, `className`, `company`.
WORDS: Final = ("pin", "otp", "totp", "ssn", "pan", "csc", "pass", "pw", "sid", "sig")

_LONGEST_WORD: Final = 4  # a name in `deny` up to this length is matched as a word
_LONGEST_NAME: Final = 1024  # what is longer is no name anybody vouched for: denied
_LONGEST_REMEMBERED: Final = 64
_REMEMBERED: Final = 2048

_CODED: Final = re.compile(r"(?:\\+|%)u([0-9A-Fa-f]{4})|\\+x([0-9A-Fa-f]{2})")
_SEPARATORS: Final = re.compile(r"[\W_]+")
_HUMPS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])")
_IGNORED: Final = frozenset({"Mn", "Me", "Cf", "Cs", "Cc"})  # marks, and what shows or decodes as nothing


class DeniedNames:
    """The names whose values are redacted: the defaults and `deny`, without `allow`.

    Spelling does not matter: case, camel, snake, kebab, dots, brackets, percent and unicode escapes, full width.
    `deny` works as the defaults do: up to four letters as a whole word, longer ones anywhere in a name.
    `allow` is exact: `allow=["session"]` frees `session` and `Session`, and leaves `session_id` denied.
    """

    def __init__(self, deny: Iterable[str] = (), allow: Iterable[str] = ()) -> None:
        denied = _spelled("deny", deny)
        self._allowed = frozenset(joined for _, joined in _spelled("allow", allow).values())
        for name, (_, joined) in denied.items():
            if joined in self._allowed:
                raise ConfigurationError("deny", name, "the same name stands in allow=; leave it out of one of them")
        anywhere = [*ANYWHERE, *(joined for _, joined in denied.values() if len(joined) > _LONGEST_WORD)]
        short = [spelling for spelling in denied.values() if len(spelling[1]) <= _LONGEST_WORD]
        words = [*WORDS, *(form for spelling in short for form in spelling)]
        self._anywhere = re.compile("|".join(map(re.escape, anywhere)))
        self._words = re.compile(f" (?:{'|'.join(map(re.escape, words))})s? ")
        # Clients choose the names, so what is remembered is bounded in number and in size.
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._decide)

    def denies(self, name: str) -> bool:
        """Return whether the value under `name` must not leave."""
        if len(name) <= _LONGEST_REMEMBERED:
            return self._remembered(name)
        return len(name) > _LONGEST_NAME or self._decide(name)

    def _decide(self, name: str) -> bool:
        words, joined = _spell(name)
        if joined in self._allowed:
            return False
        return self._anywhere.search(joined) is not None or self._words.search(f" {words} ") is not None


def _spelled(argument: str, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    if isinstance(names, str):
        raise ConfigurationError(argument, names, "pass a list of names, not one string")
    spelled = {}
    for name in names:
        if type(name) is not str or not _spell(name)[1]:
            raise ConfigurationError(argument, name, "a name is a string with at least one letter or digit")
        plain = _SEPARATORS.sub(" ", _fold(name)).strip().casefold()
        spelled[name] = (plain, plain.replace(" ", ""))
    return spelled


def _spell(name: str) -> tuple[str, str]:
    """Return the words of a name (as separated, then as its capitals separate it) and the name joined, lower case."""
    folded = _fold(name)
    plain = _SEPARATORS.sub(" ", folded).strip().casefold()
    humps = _SEPARATORS.sub(" ", _HUMPS.sub(" ", folded)).strip().casefold()
    return (plain if plain == humps else f"{plain} | {humps}"), plain.replace(" ", "")


def _fold(name: str) -> str:
    before = None
    while name != before:  # each round makes an encoded name shorter
        before = name
        if "%" in name:
            name = unquote(name, errors="ignore")
        if "\\" in name or "%u" in name:
            name = _CODED.sub(lambda match: chr(int(match[1] or match[2], 16)), name)
    if name.isascii() and name.isprintable():
        return name
    return "".join(c for c in unicodedata.normalize("NFKD", name) if unicodedata.category(c) not in _IGNORED)
