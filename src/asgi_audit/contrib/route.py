"""One route of an application, as its framework knows it before any request."""

from typing import Final, NamedTuple

from asgi_audit.rule import WEBSOCKET

MUTATING: Final = ("DELETE", "PATCH", "POST", "PUT")
WEBSOCKETS: Final = (WEBSOCKET,)


class Route(NamedTuple):
    """What is served where: `methods` in upper case, or `WEBSOCKETS`; `template` as `/users/{user_id}`."""

    methods: tuple[str, ...]
    template: str
    endpoint: object = None  # the function or class that serves it
