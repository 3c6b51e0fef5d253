"""Litestar: the middleware around the application's own handler, and the exceptions that it answers itself."""

from collections.abc import Iterator

from asgi_audit.contrib.hook import fail
from asgi_audit.contrib.route import MUTATING, WEBSOCKETS, Route
from asgi_audit.middleware import AnyTrail, AuditMiddleware

try:
    from litestar import Litestar
    from litestar.exceptions import HTTPException, WebSocketException
    from litestar.routes import HTTPRoute, WebSocketRoute
    from litestar.types import Scope
except ImportError as error:
    raise ImportError("asgi_audit.contrib.litestar needs Litestar: pip install 'litestar>=2.12'") from error

_DRAIN_SECONDS = 5.0
_ANSWERS = (HTTPException, WebSocketException)  # what an application raises to say no


def install(app: Litestar, trail: AnyTrail) -> Litestar:
    """Have the application recorded, and return it.

    `Litestar(middleware=[…])` would be the wrong place: what is not found passes it by.
    """
    audit = AuditMiddleware(app.asgi_handler, trail)
    app.asgi_handler = audit  # type: ignore[assignment]  # Litestar's own types of scopes are narrower
    app.after_exception.append(_tell)
    app.on_startup.append(audit.trail.open)

    async def drain() -> None:
        await audit.trail.drain(_DRAIN_SECONDS)

    app.on_shutdown.append(drain)
    return app


def routes(app: Litestar) -> Iterator[Route]:
    """All routes of the application."""
    for route in app.routes:
        template = route.path_format
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                yield Route(tuple(sorted(handler.http_methods)), template, handler.fn)
        elif isinstance(route, WebSocketRoute):
            yield Route(WEBSOCKETS, template, route.route_handler.fn)
        else:  # a mounted application: who knows what it serves
            yield Route(MUTATING, template, route.route_handler.fn)


async def _tell(error: Exception, scope: Scope) -> None:
    if not isinstance(error, _ANSWERS):
        fail(scope, error)
