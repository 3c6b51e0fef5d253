"""The actor from a framework's user object: that of `scope["user"]`, or what an adapter has found."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from asgi_audit.record import Actor

SOURCE: Final = "framework"
_IDS = ("id", "pk", "identity", "sub", "username", "email")
_NAMES = ("display_name", "name", "username")


def actor_from(user: object) -> Actor | None:
    """Who is authenticated, or `None`. Reads attributes (or keys) that user objects commonly have.

    May raise: a lazy user object may look into a database as soon as it is touched.
    """
    if isinstance(user, Actor):
        return msgspec.structs.replace(user, source=user.source or SOURCE)
    if user is None or _read(user, "is_authenticated") is False:
        return None
    if isinstance(user, str):
        return Actor(user, source=SOURCE) if user else None
    found = _first(user, _IDS)
    return None if found is None else Actor(found, name=_first(user, _NAMES), source=SOURCE)


def _first(user: object, names: tuple[str, ...]) -> str | None:
    for name in names:
        value = _read(user, name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
        if type(value).__name__ == "UUID":
            return str(value)
    return None


def _read(user: object, name: str) -> Any:
    try:
        return user.get(name) if isinstance(user, Mapping) else getattr(user, name, None)
    except Exception:  # noqa: BLE001 - a user object may do anything when it is asked, Starlette's BaseUser raises
        return None
