"""Secrets that give themselves away by their form, wherever they stand in a text.

Rule 1: one pass from left to right; every match moves on, and every scan is bounded or consumes what it scans, so the
        work is linear in the text.
Rule 2: a text that was cut may end inside a secret; what could be the beginning of one is masked to the end.
Rule 3: when in doubt, mask.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from urllib.parse import unquote_plus

from asgi_audit.redaction.keys import DeniedNames
from asgi_audit.redaction.pairs import pair
from asgi_audit.redaction.pseudonyms import REDACTED, Mask

# Begins with one class of rare characters: `re` skips to them at full speed, and looks back from there.
_BEGINNINGS: Final = r"=:\uff1a\uff1dJBb\-"
# A date and a time of this millennium, behind its first digit.
MOMENT: Final = (
    r"[0-9]{3}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?!\d)(?::[0-9]{2}(?!\d))?+"
    r"(?:\.[0-9]++)?+(?:[+-][0-9]{2}:[0-9]{2}(?!\d))?+"
)
_FORMS: Final = r"""(?:
    (?<=:)(?P<url>//)
    | (?<=[=:\uff1a\uff1d])(?P<pair>)
    | (?<=eyJ)(?P<jwt>[A-Za-z0-9_-]*+(?:\.[A-Za-z0-9_-]*+)*+)
    | (?<=[Bb])(?<![A-Za-z].)(?:
        [Ee][Aa][Rr][Ee][Rr][^\S\n]++(?!(?:tokens?|auth|authentication)(?![\w.~+/=-])|realm=)
        # "Basic plan" is English; credentials in base64 are not all lower case
        | [Aa][Ss][Ii][Cc][^\S\n]++(?![a-z]++(?![\w.~+/=-])|realm=)
      )(?P<credentials>[A-Za-z0-9._~+/=:-]++)
    | (?<=-)(?P<pem>----BEGIN\ [A-Z0-9 ]{0,40}?PRIVATE\ KEY)
    # a moment's colons make no pairs
    | (?<=2)(?<![\w.\-\[\]%\\$].)(?P<moment>@MOMENT@)
    # only what issuers give out: one number in ten has the right check digit, and most are orders or accounts
    | (?<=[2-6])(?<!\d.)(?<!\d\..)(?P<card>(?:
        (?: (?<=4)[0-9]{3} | (?<=5)[1-5][0-9]{2} | (?<=6)(?:011|4[4-9][0-9]|5[0-9]{2})
          | (?<=2)(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720) )
        (?: [0-9]{12} | (?P<gap>[\ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{4} )
        | (?<=3)[47][0-9]{2} (?: [0-9]{11} | [\ -][0-9]{6}[\ -][0-9]{5} )
      )(?!\d))
    )""".replace("@MOMENT@", MOMENT)
_FORM: Final = re.compile(f"[{_BEGINNINGS}2-6]{_FORMS}", re.X)
# Digits are not rare, so most texts are cleared by two searches that are quicker than the one for everything.
_BUT_CARDS: Final = re.compile(f"[{_BEGINNINGS}]{_FORMS}", re.X)
_PERHAPS_CARD: Final = re.compile(r"[2-6][0-9]{3}(?:[0-9]{11}|[ -][0-9]{4,6}[ -])")
# None of the forms is made of these alone, but for a token that begins in "eyJ", and for cards.
_HARMLESS: Final = re.compile(r"[A-Za-z0-9/_.~-]*+")
SHORTEST_CARD: Final = 15  # of all forms without punctuation it is the shortest
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}?PRIVATE KEY-----")
_AUTHORITY: Final = re.compile(r"[^\s/?#\"'<>]*+")
# A password with a slash in it, unless what follows the colon is a port.
_SLASHED: Final = re.compile(r"[^\s/?#:@\"'<>]*+:(?!\d{1,5}(?:[/?#\s]|\Z))[^\s@]{1,256}@")
_SPACED: Final = re.compile(r"\S++")


class SecretForms:
    """Finds and masks credentials: `Bearer` and `Basic`, JSON web tokens, URL userinfo, PEM private keys, payment card
    numbers, and `name=value` or `name: value` pairs whose name is denied; percent-encoded too.

    Without `cards` a long number is taken for an id.
    """

    def __init__(self, names: DeniedNames, mask: Mask, *, cards: bool = True) -> None:
        self._names = names
        self._mask = mask
        self._cards = cards

    def harmless(self, text: str) -> bool:
        """Whether a whole text surely holds no secret, and nothing to escape: a quick look, for paths and ids."""
        short = not self._cards or len(text) < SHORTEST_CARD
        return short and _HARMLESS.fullmatch(text) is not None and "eyJ" not in text

    def redact(self, text: str, *, cut: bool = False, limit: int | None = None) -> str:
        """Return `text` with its secrets masked; `cut` says that it is the beginning of a longer one.

        With `limit` only what stands before that index is returned; a secret across it is masked as a whole.
        """
        if len(text) < SHORTEST_CARD and (text.isalnum() or text.isidentifier()) and not cut:
            return text if limit is None else text[:limit]
        if (
            "%" not in text
            and not cut
            and (not self._cards or _PERHAPS_CARD.search(text) is None)
            and _BUT_CARDS.search(text) is None
        ):
            return text if limit is None else text[:limit]
        pieces = []
        end = 0
        for start, stop, mark in self._spans(text, cut):
            if limit is not None and start >= limit:
                break
            pieces += [text[end:start], mark]
            end = stop
        if limit is None or end < limit:
            pieces.append(text[end:limit])
        return "".join(pieces)

    def _spans(self, text: str, cut: bool) -> list[tuple[int, int, str]]:
        plain = list(self._plain(text, cut))
        if "%" not in text:
            return plain
        coded = []
        edges = [0, *(edge for start, stop, _ in plain for edge in (start, stop)), len(text)]
        for index, (start, stop) in enumerate(pairwise(edges)):
            if index % 2 == 0:
                coded += list(self._coded(text, start, stop, cut))
        return sorted(plain + coded)

    def _coded(self, text: str, start: int, stop: int, cut: bool) -> Iterator[tuple[int, int, str]]:
        for match in _SPACED.finditer(text, start, stop):
            if "%" in match[0] and self.hidden(match[0], cut=cut and match.end() == len(text)):
                yield match.start(), match.end(), REDACTED

    def hidden(self, text: str, *, cut: bool = False) -> bool:
        """Return whether percent-encoding hides a secret in `text`."""
        for _ in range(3):
            decoded = unquote_plus(text, errors="surrogateescape")
            if decoded == text:
                return False
            if next(self._plain(decoded, cut), None) is not None:
                return True
            text = decoded
        return "%" in text and unquote_plus(text, errors="surrogateescape") != text

    def _plain(self, text: str, cut: bool) -> Iterator[tuple[int, int, str]]:
        position = 0
        while (found := _FORM.search(text, position)) is not None:
            start, position = found.span()
            span: tuple[int, int] | None = None
            match found.lastgroup:
                case "pair":
                    span = pair(text, start, position, self._names)
                case "url":
                    span = _userinfo(text, position, cut)
                case "jwt":
                    if "." in found["jwt"] or (cut and position == len(text)):
                        span = start - 2, position
                case "credentials":
                    span = found.span("credentials")
                case "pem":
                    ending = _PEM_END.search(text, position)
                    span = start, ending.end() if ending else len(text)
                case "card":
                    span = (start, position) if self._cards and _is_card(found[0]) else None
            if span is None:
                continue
            start, position = span
            open_end = cut and position == len(text)
            # The pseudonym of half a secret would be nobody's.
            yield start, position, REDACTED if open_end else self._mask(text[start:position])


def _userinfo(text: str, start: int, cut: bool) -> tuple[int, int] | None:
    authority = _AUTHORITY.match(text, start)
    assert authority is not None
    at = text.rfind("@", start, authority.end())
    if at < 0 and (slashed := _SLASHED.match(text, start)) is not None:
        at = slashed.end() - 1
    if at > start:
        return start, at
    if cut and authority.end() == len(text) > start:
        return start, len(text)
    return None


def _is_card(text: str) -> bool:
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
