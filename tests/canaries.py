"""A hundred distinct secrets, each in a place of its own, to be sent through everything and searched for afterwards.

A canary's `secret` must not be found in anything that leaves: see `leaks`.
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote, quote_plus

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
BOUNDARY: Final = "canary-boundary"
MULTIPART: Final = f"multipart/form-data; boundary={BOUNDARY}"


class Canary(NamedTuple):
    """One secret: where it travels (`query`, `header`, `body`, `text` or `data`) and in what.

    `content` is bytes for a query, a (name, value) pair for a header, a (content type, bytes) pair for a body, a str
    for free text (error messages, reasons, names, user agents), and a Python value for data.
    """

    label: str
    place: str
    secret: str
    content: Any


KEYS: Final = (
    "password", "passwd", "Passphrase", "user_password", "newPassword", "PASSWORD_CONFIRMATION", "client_secret",
    "clientSecret",
    "token", "access_token", "refreshToken", "id-token", "api_key", "apiKey", "X-API-KEY", "apikey", "private_key",
    "session",
    "sessionId", "JSESSIONID", "csrf_token", "csrfmiddlewaretoken", "xsrfToken", "card_number", "cardNumber",
    "creditCard", "cvv",
    "cvc2", "ssn", "socialSecurityNumber", "pin", "userPin", "otp", "one_time_code", "passcode", "credentials", "jwt",
    "bearer",
    "user[password]", "user.password", "pass\u200bword", "ｐａｓｓｗｏｒｄ", "PaSsWoRd", "p%61ssword",
)  # fmt: skip


def _multipart(name: str, value: str, more: str = "") -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Disposition: form-data; name={name}{more}\r\n\r\n{value}\r\n--{BOUNDARY}--\r\n"
    ).encode()


def _jwt(secret: str) -> str:
    parts = (b'{"alg":"HS256"}', json.dumps({"sub": secret}).encode(), secret.encode())
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


# How a value under a denied name travels; the keys take turns.
_BY_NAME: Final[list[tuple[str, str, Callable[[str, str], Any]]]] = [
    ("query", "query", lambda key, value: f"a=1&{quote(key, safe='[].%')}={value}&b=2".encode()),
    ("form", "body", lambda key, value: (FORM, f"a=1&{quote_plus(key, safe='%')}={value}".encode())),
    ("JSON member", "body", lambda key, value: (JSON, json.dumps({"a": {key: value}}).encode())),
    (
        "JSON container",
        "body",
        lambda key, value: (JSON, json.dumps([{key: [{"x": value}]}], ensure_ascii=False).encode()),
    ),
    ("JSON in JSON", "body", lambda key, value: (JSON, json.dumps({"a": json.dumps({key: value})}).encode())),
    ("cut JSON", "body", lambda key, value: (JSON, json.dumps({key: value}).encode()[:-1])),
    ("multipart field", "body", lambda key, value: (MULTIPART, _multipart(f'"{key}"', value))),
    ("data", "data", lambda key, value: {"a": [{key: value}]}),
    ("nested data", "data", lambda key, value: {key: {"deep": (value, {"deeper": value})}}),
    ("message", "text", lambda key, value: f"cannot do it: {{'{key}': '{value}'}}"),
]

# How a value that gives itself away travels, whatever it is called.
_BY_FORM: Final[list[tuple[str, str, Callable[[str], Any]]]] = [
    ("authorization header", "header", lambda s: ("Authorization", f"Digest response={s}")),
    ("proxy-authorization header", "header", lambda s: ("proxy-authorization", s)),
    ("cookie header", "header", lambda s: ("cookie", f"theme=dark; a={s}")),
    ("set-cookie header", "header", lambda s: ("Set-Cookie", f"a={s}; HttpOnly")),
    ("x-api-key header", "header", lambda s: ("x-api-key", s)),
    ("referer header", "header", lambda s: ("referer", f"https://h.example/?a=1&access_token={s}")),
    ("link header", "header", lambda s: ("link", f"<https://u:{s}@h.example/>")),
    ("bearer in a message", "text", lambda s: f"upstream refused: Bearer {s}"),
    ("bearer in a query", "query", lambda s: f"h=Bearer+{s}&b=2".encode()),
    ("encoded bearer in a query", "query", lambda s: f"h=bearer%20{s}".encode()),
    (
        "basic in JSON",
        "body",
        lambda s: (JSON, json.dumps({"h": "Basic " + base64.b64encode(s.encode()).decode()}).encode()),
    ),
    ("JWT in a message", "text", lambda s: f"bad signature {_jwt(s)} seen"),
    ("JWT in a query", "query", lambda s: f"q={_jwt(s)}".encode()),
    ("JWT without a name", "query", lambda s: _jwt(s).encode()),
    ("JWT in data", "data", lambda s: {"note": [_jwt(s)]}),
    ("JWT in plain text", "body", lambda s: ("text/plain", _jwt(s).encode())),
    ("URL in a message", "text", lambda s: f"connect to postgresql://app:{s}@db.example/x failed"),
    ("URL with a slash", "text", lambda s: f"connect to amqp://app:x/{s}@mq.example failed"),
    ("URL user alone", "text", lambda s: f"clone https://{s}@git.example/x"),
    ("encoded URL in a query", "query", lambda s: f"next={quote_plus(f'https://u:{s}@h.example/')}".encode()),
    ("URL in JSON", "body", lambda s: (JSON, json.dumps({"dsn": f"redis://:{s}@r.example"}).encode())),
    ("URL in data", "data", lambda s: {"dsn": f"redis://:{s}@r.example"}),
    ("encoded pair in a query", "query", lambda s: f"next=%2Flogin%3Ftoken%3D{s}".encode()),
    ("twice encoded pair", "query", lambda s: f"next=%252Flogin%253Ftoken%253D{s}".encode()),
    ("pair after a semicolon", "query", lambda s: f"a=1;password={s};b=2".encode()),
    ("pair in a message", "text", lambda s: f"login failed password={s}"),
    ("pair with a colon", "text", lambda s: f"API key: {s}"),
    ("pair in quotes", "text", lambda s: f'secret = "two words {s}"'),
    ("header in a message", "text", lambda s: f"sent Cookie: a=b; c={s}"),
    ("private key", "text", lambda s: f"-----BEGIN EC PRIVATE KEY-----\n{s}\n-----END EC PRIVATE KEY-----"),
    ("private key in data", "data", lambda s: {"pem": f"-----BEGIN PRIVATE KEY-----\n{s}"}),
    ("file content", "body", lambda s: (MULTIPART, _multipart('"doc"', s, '; filename="a.txt"'))),
    ("multipart JSON", "body", lambda s: (MULTIPART, _multipart('"j"', json.dumps({"pin": s})))),
    ("JSON Lines", "body", lambda s: ("application/x-ndjson", f'{{"a":1}}\n{{"token":"{s}"}}\n'.encode())),
    ("escaped JSON key", "body", lambda s: (JSON, f'{{"pass\\u0077ord":"{s}"}}'.encode())),
    ("UTF-16 JSON", "body", lambda s: ("application/json; charset=utf-16", json.dumps({"pin": s}).encode("utf-16"))),
    ("broken JSON", "body", lambda s: (JSON, f'{{"a":1}} oops "password":"{s}"'.encode())),
    ("unknown type", "body", lambda s: ("application/xml", f"<password>{s}</password>".encode())),
    ("no type", "body", lambda s: ("", f"password={s}".encode())),
    ("bytes in data", "data", lambda s: {"token": s.encode(), "b": f"Bearer {s}".encode()}),
    ("key of data", "data", lambda s: {f"Bearer {s}": 1}),
]


def _secret(number: int) -> str:
    return f"cAnArY{number:03d}x{number * 7919 % 9973:04d}"


def _made() -> Iterator[Canary]:
    number = 0
    for label, place, form in _BY_FORM:
        yield Canary(label, place, _secret(number), form(_secret(number)))
        number += 1
    while number < 100 or number < len(_BY_FORM) + len(KEYS):
        label, place, carry = _BY_NAME[number % len(_BY_NAME)]
        key = KEYS[number % len(KEYS)]
        yield Canary(f"{label} {key} {number}", place, _secret(number), carry(key, _secret(number)))
        number += 1


CANARIES: Final[list[Canary]] = list(_made())


def leaks(canary: Canary, output: str) -> bool:
    """Return whether a canary's secret stands in some output, as it is or in base64."""
    encoded = base64.b64encode(canary.secret.encode()).decode().rstrip("=")[:-1]
    return canary.secret in output or encoded in output
