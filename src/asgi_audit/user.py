"""The actor from `scope["user"]`, where Starlette's and Litestar's authentication put whom they have verified."""

from collections.abc import Mapping
from typing import Any

from asgi_audit._types import Scope
from asgi_audit.record import Actor

_IDS = ("id", "pk", "identity", "sub", "username", "email")
_NAMES = ("display_name", "name", "username")


def scope_user(scope: Scope) -> Actor | None:
    """Who is authenticated, or `None`. Reads attributes (or keys) that user objects commonly have; never raises."""
    try:
        return _actor(scope.get("user"))
    except Exception:  # noqa: BLE001 - a lazy user object may look into a database as soon as it is touched
        return None


def _actor(user: object) -> Actor | None:
    if user is None or _read(user, "is_authenticated") is False:
        return None
    if isinstance(user, str):
        return Actor(user, source="scope") if user else None
    found = _first(user, _IDS)
    return None if found is None else Actor(found, name=_first(user, _NAMES), source="scope")


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
