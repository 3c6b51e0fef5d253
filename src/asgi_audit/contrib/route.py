"""One route of an application, as its framework knows it before any request."""

import re
from typing import Final, NamedTuple

from asgi_audit.rule import WEBSOCKET

MUTATING: Final = ("DELETE", "PATCH", "POST", "PUT")
WEBSOCKETS: Final = (WEBSOCKET,)


class Route(NamedTuple):
    """What is served where: `methods` in upper case, or `WEBSOCKETS`; `template` as `/users/{user_id}`."""

    methods: tuple[str, ...]
    template: str
    endpoint: object = None  # the function or class that serves it


#: `<number>`, `<int:number>`, `<string(length=2):code>`: how Werkzeug and Django write a parameter.
_ANGLED: Final = re.compile(r"<(?:\w+(?:\([^<>]*\))?:)?(\w+)>")


def braced(template: str) -> str:
    """The template with its `<int:number>` as `{number}`."""
    return _ANGLED.sub(r"{\1}", template)
