"""Sanic, served by an ASGI server: the middleware around the application, and signals for what the scope does not show.

Sanic's own server does not speak ASGI, so no middleware of this kind sees what it serves: it is kept from starting.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asgi_audit.contrib.hook import fail, passive, tell
from asgi_audit.contrib.route import WEBSOCKETS, Route
from asgi_audit.errors import ConfigurationError
from asgi_audit.middleware import AnyTrail, AuditMiddleware

try:
    from sanic import Request, Sanic
    from sanic.exceptions import SanicException
except ImportError as error:
    raise ImportError("asgi_audit.contrib.sanic needs Sanic: pip install 'sanic>=23.12'") from error

_PARAMETER = re.compile(r"<(\w+)(?::(?:[^<>]|<[^<>]*>)*)?>")  # <number>, <number:int>, <number:(?P<number>\d+)>


def install(app: Sanic[Any, Any], trail: AnyTrail) -> AuditMiddleware:
    """Have the application recorded, and return what is to be served in its stead."""
    app.add_signal(_routed, "http.routing.after")
    for failed in ("http.lifecycle.exception", "websocket.handler.exception"):
        app.add_signal(_failed, failed)
    app.register_listener(_refuse, "before_server_start")
    return AuditMiddleware(app, trail)


def routes(app: Sanic[Any, Any]) -> Iterator[Route]:
    """All routes of the application."""
    for route in app.router.routes:
        methods = WEBSOCKETS if route.extra.websocket else tuple(sorted(route.methods))
        yield Route(methods, _template(route.path), route.handler)


class _Known:
    """What Sanic knows of a request."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def route(self) -> str | None:
        route = self._request.route
        return None if route is None else _template(route.path)

    def params(self) -> Mapping[str, Any] | None:
        return self._request.match_info

    def user(self) -> object:
        """`request.ctx.user`, where applications put it."""
        return getattr(self._request.ctx, "user", None)


async def _refuse(app: Sanic[Any, Any], *_: object) -> None:
    if not app.asgi:
        remedy = "its own server speaks no ASGI, so nothing would be recorded; serve it with uvicorn, say"
        raise ConfigurationError("app", app, remedy)


async def _routed(request: Request, **_: object) -> None:
    _tell(request)


@passive
def _tell(request: Request) -> None:
    tell(request.scope, _Known(request))


async def _failed(request: Request, exception: BaseException, **_: object) -> None:
    _fail(request, exception)


@passive
def _fail(request: Request, exception: BaseException) -> None:
    if not isinstance(exception, SanicException):  # what an application raises to say no
        fail(request.scope, exception)


def _template(path: str) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", path).lstrip("/")
