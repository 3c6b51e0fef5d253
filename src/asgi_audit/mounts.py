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
    leaf = _fastapi_template(scope.get("fastapi")) or own_template(route)
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
        leaf = own_template(route)
    if route is None or is_mount(route):
        return prefix + _REST if prefix else leaf
    return None if leaf is None else prefix + leaf


def _fastapi_template(state: object) -> str | None:
    """FastAPI keeps the whole template apart: that of the route itself lacks the prefixes of `include_router`."""
    context = state.get("effective_route_context") if isinstance(state, dict) else None
    if context is None or is_mount(route := _effective(context)):  # what is mounted there, has a route of its own
        return None
    return own_template(route)


def own_template(route: object) -> str | None:
    """The route's own template, without those of the mounts above it."""
    for name in ("path_format", "path"):
        if isinstance(value := getattr(route, name, None), str):
            return value
    return None


def expanded(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes, those of FastAPI's included routers among them, which keep them to themselves since 0.137."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            yield from map(_effective, contexts())


def _effective(context: Any) -> Any:
    """A route with its routers' prefixes: websockets and mounts are Starlette's own, the others FastAPI's."""
    return getattr(context, "starlette_route", None) or context


def _taken(scope: Scope) -> str:
    """What the mounts have taken from the path: what `root_path` holds beyond what the server has put there."""
    root: str = scope.get("root_path", "")
    return root.removeprefix(scope["app_root_path"]) if "app_root_path" in scope else ""


def _way(routes: Iterable[Any], taken: str) -> tuple[str, Iterable[Any]] | None:
    """The templates of the mounts that have taken this from the path, joined, and the routes below the last one."""
    if not taken:
        return "", routes
    for route in filter(is_mount, expanded(routes)):
        own = len(_prefix(route, taken) or "")
        if own or not getattr(route, "path", ""):
            further = _way(below(route), taken[own:])
            if further is not None:
                return mount_template(route) + further[0], further[1]
    return None


def is_mount(route: object) -> bool:
    """Mounts and hosts have an application, other routes an endpoint."""
    return hasattr(route, "app") and not hasattr(route, "endpoint")


def _prefix(mount: Any, taken: str) -> str | None:
    """The part at the beginning that this mount takes."""
    regex = getattr(mount, "path_regex", None)  # a host has none
    match = None if regex is None else regex.match(f"{taken}/")
    return None if match is None else taken[: match.start("path") - 1]


def mount_template(mount: Any) -> str:
    """What stands before the templates of the routes below: nothing, if it is a host."""
    return mount.path_format.removesuffix(_REST) if hasattr(mount, "path_format") else ""


def below(mount: Any) -> Iterable[Any]:
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
    for route in _flat(expanded(routes)):
        if getattr(route, "endpoint", None) is scope.get("endpoint") and route.path_regex.match(rest):
            return route
    return None


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """The routes, and those below mounts that take nothing from the path."""
    for route in routes:
        if hasattr(route, "endpoint"):
            yield route
        elif is_mount(route) and not getattr(route, "path", ""):
            yield from _flat(expanded(below(route)))
