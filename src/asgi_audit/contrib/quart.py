"""Quart: the middleware around the application's own, and signals for what the scope does not show."""

from collections.abc import Iterator, Mapping
from typing import Any

from asgi_audit.contrib.hook import fail, passive, tell
from asgi_audit.contrib.route import WEBSOCKETS, Route, braced
from asgi_audit.middleware import AnyTrail, AuditMiddleware

try:
    from quart import Quart, g, has_websocket_context, request, websocket
    from quart.signals import got_request_exception, got_websocket_exception, request_started, websocket_started
    from quart.wrappers.base import BaseRequestWebsocket
except ImportError as error:
    raise ImportError("asgi_audit.contrib.quart needs Quart: pip install 'quart>=0.19'") from error


def install(app: Quart, trail: AnyTrail) -> Quart:
    """Have the application recorded, and return it."""
    app.asgi_app = AuditMiddleware(app.asgi_app, trail)  # type: ignore[method-assign, assignment]
    for started in (request_started, websocket_started):
        started.connect(_started, app)
    for got_exception in (got_request_exception, got_websocket_exception):
        got_exception.connect(_failed, app)
    return app


def routes(app: Quart) -> Iterator[Route]:
    """All routes of the application."""
    for rule in app.url_map.iter_rules():
        methods = WEBSOCKETS if rule.websocket else tuple(sorted(rule.methods or ()))
        yield Route(methods, braced(rule.rule), app.view_functions.get(rule.endpoint))


class _Known:
    """What Quart knows of a request."""

    def __init__(self, asked: BaseRequestWebsocket, notebook: Any, names: list[str]) -> None:
        self._asked = asked
        self._notebook = notebook  # where Quart-Auth leaves the user
        self._names = names

    def route(self) -> str | None:
        rule = self._asked.url_rule
        return None if rule is None else braced(rule.rule)

    def params(self) -> Mapping[str, Any] | None:
        return self._asked.view_args

    def user(self) -> object:
        """Whom Quart-Auth has found, as soon as somebody has asked it; at the end of a request it asks itself."""
        found = (getattr(self._notebook, name, None) for name in self._names)
        return next((user.auth_id for user in found if user is not None and user.auth_id), None)


async def _started(app: Quart, **_: object) -> None:
    _tell(app)


@passive
def _tell(app: Quart) -> None:
    asked = _asked()
    names = [each.attribute_name for each in app.extensions.get("QUART_AUTH", ())]
    tell(asked.scope, _Known(asked, g._get_current_object(), names))


async def _failed(_: Quart, exception: BaseException, **_more: object) -> None:
    _fail(exception)


@passive
def _fail(exception: BaseException) -> None:
    fail(_asked().scope, exception)


def _asked() -> BaseRequestWebsocket:
    proxy: Any = websocket if has_websocket_context() else request
    found: BaseRequestWebsocket = proxy._get_current_object()
    return found
