"""Who acts by an API key: the key's fingerprint, never the key."""

import hashlib

from asgi_audit.errors import ConfigurationError
from asgi_audit.record import Actor
from asgi_audit.redaction import Pseudonyms

_DIGITS = 16  # 64 bits: enough to tell keys apart, and no key comes back from them


def api_key(
    key: str | bytes,
    *,
    name: str | None = None,
    on_behalf_of: Actor | None = None,
    pseudonyms: Pseudonyms | None = None,
) -> Actor:
    """The actor who holds an API key that the application has verified, as in `set_actor(api_key(key, name="CI"))`.

    Its type is `api_key`, its id a fingerprint: the beginning of a SHA-256 of the key, which nobody can turn back if
    the key is random. For keys that can be guessed give `pseudonyms`: then its id is their mark.
    """
    if not key:
        raise ConfigurationError("key", key, "give the key that the application has verified")
    secret = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else bytes(key)
    if pseudonyms is None:
        digest = hashlib.sha256(b"asgi-audit/1 api key\n" + secret).hexdigest()
        fingerprint = f"sha256:{digest[:_DIGITS]}"
    else:
        fingerprint = pseudonyms.value(secret)
    return Actor(fingerprint, type="api_key", name=name, on_behalf_of=on_behalf_of)
