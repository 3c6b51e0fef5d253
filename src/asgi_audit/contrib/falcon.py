"""Falcon: the middleware around the application, and one of Falcon's own kind for what the scope does not show."""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asgi_audit.contrib.hook import fail, passive, tell
from asgi_audit.contrib.route import WEBSOCKETS, Route
from asgi_audit.middleware import AnyTrail, AuditMiddleware
from asgi_audit.rule import WEBSOCKET

try:
    from falcon.asgi import App, Request
except ImportError as error:
    raise ImportError("asgi_audit.contrib.falcon needs Falcon: pip install 'falcon>=4'") from error

_CONVERTER = re.compile(r"\{(\w+):[^{}]*\}")  # {number:int}, {when:dt("%Y-%m-%d")}


def install(app: App[Any, Any], trail: AnyTrail) -> AuditMiddleware:
    """Have the application recorded, and return what is to be served in its stead.

    Call it last: an error handler for `Exception` that is added later keeps its exceptions to itself.
    """
    app.add_middleware(_Hook())
    app.add_error_handler(Exception, _telling(app._error_handlers[Exception]))
    return AuditMiddleware(app, trail)


def routes(app: App[Any, Any]) -> Iterator[Route]:
    """All routes of the application."""
    return _routes(app._router._roots, "")


def _routes(nodes: Iterable[Any], prefix: str) -> Iterator[Route]:
    for node in nodes:
        path = f"{prefix}/{node.raw_segment}"
        for method, responder in (node.method_map or {}).items():
            if not getattr(responder, "__module__", "falcon.").startswith("falcon."):  # as those that answer 405 are
                yield Route(WEBSOCKETS if method == WEBSOCKET else (method,), _template(path), responder)
        yield from _routes(node.children, path)


class _Known:
    """What Falcon knows of a request."""

    def __init__(self, req: Request, params: Mapping[str, Any]) -> None:
        self._req = req
        self._params = params

    def route(self) -> str | None:
        template = self._req.uri_template
        return None if template is None else _template(template)

    def params(self) -> Mapping[str, Any] | None:
        return self._params

    def user(self) -> object:
        """`req.context.user`, where applications put it."""
        return getattr(self._req.context, "user", None)


class _Hook:
    """Called once the resource is known, before it is."""

    async def process_resource(self, req: Request, _resp: object, _resource: object, params: dict[str, Any]) -> None:
        _tell(req, params)

    async def process_resource_ws(self, req: Request, _ws: object, _resource: object, params: dict[str, Any]) -> None:
        _tell(req, params)


@passive
def _tell(req: Request, params: Mapping[str, Any]) -> None:
    tell(req.scope, _Known(req, params))


def _telling(handler: Any) -> Any:
    """The application's handler of all exceptions that no other handles, or Falcon's own, which answers 500."""
    takes_sockets = "ws" in inspect.signature(handler).parameters

    async def handle(req: Request, resp: Any, error: Exception, params: dict[str, Any], ws: Any = None) -> None:
        _fail(req, error)
        await handler(req, resp, error, params, **({"ws": ws} if takes_sockets else {}))

    return handle


@passive
def _fail(req: Request, error: BaseException) -> None:
    fail(req.scope, error)


def _template(path: str) -> str:
    return _CONVERTER.sub(r"{\1}", path)
