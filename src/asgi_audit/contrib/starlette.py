"""Starlette: the middleware around everything that an application has, and its routes."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from asgi_audit.contrib.route import MUTATING, WEBSOCKETS, Route
from asgi_audit.errors import ConfigurationError
from asgi_audit.middleware import AnyTrail, AuditMiddleware
from asgi_audit.mounts import below, expanded, is_mount, mount_template, own_template

try:
    from starlette.applications import Starlette
except ImportError as error:
    raise ImportError("asgi_audit.contrib.starlette needs Starlette: pip install 'starlette>=0.38'") from error

_App = TypeVar("_App", bound=Starlette)


def install(app: _App, trail: AnyTrail) -> _App:
    """Have the application recorded, and return it.

    The middleware stands around all others: those that are added later, and the one that answers 500.
    """
    if app.middleware_stack is not None:
        raise ConfigurationError("app", app, "install the audit before the application serves its first request")
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: AuditMiddleware(build(), trail)  # type: ignore[method-assign]
    return app


def routes(app: Starlette) -> Iterator[Route]:
    """All routes of the application with their whole templates, those below its mounts as well."""
    return _routes(app.routes, "")


def _routes(found: Iterable[Any], prefix: str) -> Iterator[Route]:
    for route in expanded(found):
        if not is_mount(route):
            yield Route(_methods(route), prefix + (own_template(route) or ""), getattr(route, "endpoint", None))
        elif inner := below(route):
            yield from _routes(inner, prefix + mount_template(route))
        else:  # an application of another kind: who knows what it serves
            yield Route(MUTATING, f"{prefix}{mount_template(route)}/{{path}}", getattr(route, "app", None))


def _methods(route: Any) -> tuple[str, ...]:
    methods = getattr(route, "methods", WEBSOCKETS)  # those of websockets have none
    if methods is None:  # a class with a method for each, or an ASGI application
        own = tuple(name for name in MUTATING if hasattr(route.endpoint, name.lower()))
        return own or (("GET",) if hasattr(route.endpoint, "get") else MUTATING)
    return tuple(sorted(methods))
