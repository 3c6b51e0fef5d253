"""Django: the middleware around the application, and its requests and signals for what the scope does not show."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asgi_audit.contrib.hook import fail, passive, tell
from asgi_audit.contrib.route import MUTATING, Route, braced
from asgi_audit.errors import ConfigurationError
from asgi_audit.middleware import AnyTrail, AuditMiddleware

try:
    from django.contrib.admindocs import utils as regex
    from django.core.handlers.asgi import ASGIHandler, ASGIRequest
    from django.core.signals import got_request_exception
    from django.urls import URLResolver, get_resolver
    from django.utils.functional import LazyObject, empty
except ImportError as error:
    raise ImportError("asgi_audit.contrib.django needs Django: pip install 'django>=4.2'") from error


def install(application: ASGIHandler, trail: AnyTrail) -> AuditMiddleware:
    """Have the application recorded, and return what is to be served in its stead."""
    if not isinstance(application, ASGIHandler):
        raise ConfigurationError("application", application, "give what get_asgi_application() returns")
    make = application.request_class

    def request_class(scope: dict[str, Any], *args: Any) -> ASGIRequest:
        request = make(scope, *args)
        _tell(scope, request)
        return request

    application.request_class = request_class
    got_request_exception.connect(_failed, dispatch_uid="asgi_audit")
    return AuditMiddleware(application, trail)


def routes(_: ASGIHandler) -> Iterator[Route]:
    """All routes of the project."""
    return _routes(get_resolver().url_patterns, "")


def _routes(patterns: Iterable[Any], prefix: str) -> Iterator[Route]:
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        else:
            yield Route(_methods(each.callback), _template(route), each.callback)


def _methods(view: Any) -> tuple[str, ...]:
    cls = getattr(view, "view_class", getattr(view, "cls", None))  # Django's; Django REST framework's
    if cls is None:
        return MUTATING  # what functions take is not known
    names = getattr(view, "actions", None) or (each for each in cls.http_method_names if hasattr(cls, each))
    return tuple(sorted(name.upper() for name in names))


class _Known:
    """What Django knows of a request."""

    def __init__(self, request: ASGIRequest) -> None:
        self._request = request

    def route(self) -> str | None:
        match = self._request.resolver_match
        return None if match is None else _template(match.route)

    def params(self) -> Mapping[str, Any] | None:
        match = self._request.resolver_match
        return None if match is None else match.kwargs

    def user(self) -> object:
        """Who is signed in, if the application has looked: no query is made for it."""
        known = vars(self._request)
        user = known.get("user")
        if isinstance(user, LazyObject) and user._wrapped is empty:
            return known.get("_acached_user")
        return user


@passive
def _tell(scope: Mapping[str, Any], request: ASGIRequest) -> None:
    tell(scope, _Known(request))


@passive
def _failed(request: Any = None, **_: object) -> None:
    if isinstance(request, ASGIRequest) and (error := sys.exc_info()[1]) is not None:
        fail(request.scope, error)


def _template(route: str) -> str:
    if "^" in route or "(?P<" in route:  # of re_path()
        route = regex.replace_named_groups(regex.remove_non_capturing_groups(route))
        route = regex.replace_metacharacters(regex.replace_unnamed_groups(route))
    return "/" + braced(route).lstrip("/")
