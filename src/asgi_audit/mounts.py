"""Where in a tree of Starlette's or FastAPI's routes a request has ended.

A mounted application knows only its own routes, so the scope shows the leaf of the tree alone, and what the mounts
above have taken from the path, as `root_path`. The way down is found again by their own regular expressions.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from asgi_audit._types import Scope

_DEEPEST = 32  # layers around a mounted application
_REST = "/{path}"  # how Starlette writes what a mount leaves to its application


def template_of(scope: Scope) -> str | None:
    """The template of the route that was taken, with those of all mounts above it; `None` if there is none."""
    route = scope.get("route")  # Starlette since 1.7, FastAPI always
    leaf = _fastapi_template(scope.get("fastapi")) or _own_template(route)
    if "app_root_path" not in scope and leaf is not None:
        return leaf  # no mount was passed
    router = scope.get("router")
    if router is None:
        return leaf
    way = _way(router.routes, _taken(scope))
    if way is None:
        return leaf
    prefix, routes = way
    if route is None:
        route = _by_endpoint(routes, scope)
        leaf = _own_template(route)
    if route is None or _is_mount(route):
        return prefix + _REST if prefix else leaf
    return None if leaf is None else prefix + leaf


def _fastapi_template(state: object) -> str | None:
    """FastAPI keeps the whole template apart: that of the route itself lacks the prefixes of `include_router`."""
    context = state.get("effective_route_context") if isinstance(state, dict) else None
    return _text(getattr(context, "path_format", None))


def _own_template(route: object) -> str | None:
    return _text(getattr(route, "path_format", None)) or _text(getattr(route, "path", None))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _taken(scope: Scope) -> str:
    """What the mounts have taken from the path: what `root_path` holds beyond what the server has put there."""
    root: str = scope.get("root_path", "")
    return root.removeprefix(scope["app_root_path"]) if "app_root_path" in scope else ""


def _way(routes: Iterable[Any], taken: str) -> tuple[str, Iterable[Any]] | None:
    """The templates of the mounts that have taken this from the path, joined, and the routes below the last one."""
    if not taken:
        return "", routes
    for route in routes:
        if not _is_mount(route):
            continue
        own = len(_prefix(route, taken) or "")
        if own or not getattr(route, "path", ""):
            below = _way(_below(route), taken[own:])
            if below is not None:
                return _template(route) + below[0], below[1]
    return None


def _is_mount(route: object) -> bool:
    """Mounts and hosts have an application, other routes an endpoint."""
    return hasattr(route, "app") and not hasattr(route, "endpoint")


def _prefix(mount: Any, taken: str) -> str | None:
    """The part at the beginning that this mount takes."""
    regex = getattr(mount, "path_regex", None)  # a host has none
    match = None if regex is None else regex.match(f"{taken}/")
    return None if match is None else taken[: match.start("path") - 1]


def _template(mount: Any) -> str:
    return mount.path_format.removesuffix(_REST) if hasattr(mount, "path_format") else ""


def _below(mount: Any) -> Iterable[Any]:
    """The routes of the mounted application, through the layers around it."""
    app = mount
    for _ in range(_DEEPEST):
        if routes := getattr(app, "routes", None):
            return list(routes)
        app = getattr(app, "app", None)
    return ()


def _by_endpoint(routes: Iterable[Any], scope: Scope) -> Any:
    """The route of this endpoint, in older versions of Starlette, which do not tell the route."""
    rest: str = scope["path"].removeprefix(scope.get("root_path", "")) or "/"
    for route in _flat(routes):
        if getattr(route, "endpoint", None) is scope.get("endpoint") and route.path_regex.match(rest):
            return route
    return None


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes, and those below mounts that take nothing from the path."""
    for route in routes:
        if hasattr(route, "endpoint"):
            yield route
        elif _is_mount(route) and not getattr(route, "path", ""):
            yield from _flat(_below(route))
