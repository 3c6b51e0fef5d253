"""BlackSheep: the middleware around the application, and one of its own kind for what the scope does not show."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from asgi_audit.contrib.hook import fail, passive, tell
from asgi_audit.contrib.route import WEBSOCKETS, Route
from asgi_audit.middleware import AnyTrail, AuditMiddleware

try:
    from blacksheep import Application
    from blacksheep.exceptions import HTTPException
    from blacksheep.server.routing import RouteMethod
    from guardpost import Identity
except ImportError as error:
    raise ImportError("asgi_audit.contrib.blacksheep needs BlackSheep: pip install 'blacksheep>=2.3'") from error

_PARAMETER = re.compile(r"[{<](?:\w+:)?(\w+)[}>]|(?<=/):(\w+)")  # {number}, {int:number}, <int:number>, :number
_FALLBACK = b"*"


def install(app: Application, trail: AnyTrail) -> AuditMiddleware:
    """Have the application recorded, and return what is to be served in its stead."""

    async def hook(request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        _tell(app, request)
        try:
            return await handler(request)
        except Exception as error:
            _fail(request, error)
            raise

    app.middlewares.insert(0, hook)
    return AuditMiddleware(app, trail)


def routes(app: Application) -> Iterator[Route]:
    """All routes of the application."""
    app.router.apply_routes()
    for method, route in app.router.iter_with_methods():  # type: ignore[no-untyped-call]
        if route.pattern != _FALLBACK:
            methods = WEBSOCKETS if method == RouteMethod.GET_WS else (method,)
            yield Route(methods, _template(route.pattern), route.handler)


class _Known:
    """What BlackSheep knows of a request, or a connection."""

    def __init__(self, app: Application, request: Any) -> None:
        self._router = app.router
        self._request = request
        self._scope = request.scope  # BlackSheep takes it from the request at the end

    def route(self) -> str | None:
        if self._scope["type"] == "websocket":
            path = self._scope["path"].removeprefix(self._scope.get("root_path", "")) or "/"
            match = self._router.get_match_by_method_and_path(RouteMethod.GET_WS, path)
        else:
            match = self._router.get_match(self._request)
        return None if match is None or match.pattern == _FALLBACK else _template(match.pattern)

    def params(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._request.route_values
        return found

    def user(self) -> object:
        """The claims of whom an authentication handler has found; or another object that the application put there."""
        user = self._request.user
        if isinstance(user, Identity):
            return user.claims if user.is_authenticated() else None
        return user


@passive
def _tell(app: Application, request: Any) -> None:
    tell(request.scope, _Known(app, request))


@passive
def _fail(request: Any, error: BaseException) -> None:
    if not isinstance(error, HTTPException):  # what an application raises to say no
        fail(request.scope, error)


def _template(pattern: bytes) -> str:
    return _PARAMETER.sub(lambda found: f"{{{found[1] or found[2]}}}", "/" + pattern.decode().lstrip("/"))
