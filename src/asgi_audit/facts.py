"""What the server says of a request: read out of the scope, redacted, in one place."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

from asgi_audit._types import Scope
from asgi_audit.client import TrustedProxies
from asgi_audit.draft import Draft
from asgi_audit.record import Request, Source
from asgi_audit.redaction import Redactor
from asgi_audit.routing import params_of, route_of
from asgi_audit.rule import Level
from asgi_audit.trace import trace_id

_LONGEST_PATH = 8192
_LONGEST_AGENT = 1024
_LONGEST_NAME = 256  # of a host, a request id, a method
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Facts:
    """Reads scopes. Total: no value that a client can send makes it raise."""

    def __init__(self, redact: Redactor, proxies: TrustedProxies) -> None:
        self._redact = redact
        self._proxies = proxies
        # Most of these are the same in every request.
        self._agent = lru_cache(maxsize=1024)(partial(redact.text, limit=_LONGEST_AGENT))
        self._label = lru_cache(maxsize=1024)(partial(redact.identifier, limit=_LONGEST_NAME))

    def read(self, scope: Scope, level: Level, draft: Draft | None = None) -> tuple[Request, Source]:
        """The request and its source; with a `draft`, also what was seen of the body."""
        raw = scope.get("headers")
        pairs: Iterable[tuple[bytes, bytes]] = raw if isinstance(raw, list | tuple) else ()
        try:
            headers = dict(pairs)
        except (TypeError, ValueError):  # no pairs: somebody's mistake, which must not cost the record
            pairs, headers = (), {}
        address = self._proxies.resolve(scope.get("client"), pairs)
        agent = headers.get(b"user-agent")
        source = Source(
            ip=address.ip,
            ip_source=None if address.ip is None else address.source,
            port=address.port,
            user_agent=self._agent(agent) if isinstance(agent, bytes) else None,
        )
        full = level >= Level.REQUEST
        query = scope.get("query_string")
        return Request(
            method=self._name(scope.get("method")),
            path=self._redact.identifier(_path(scope), _LONGEST_PATH),
            route=self._name(route_of(scope)),
            params=self._params(params_of(scope)),
            query=self._redact.query(query) if query else None,
            scheme=self._name(scope.get("scheme")),
            host=self._name(headers.get(b"host")),
            http_version=self._name(scope.get("http_version")),
            id=self._name(headers.get(b"x-request-id")),
            trace_id=trace_id(headers.get(b"traceparent", b"")),
            size=None if draft is None else draft.request_size,
            headers=self._redact.headers(pairs) if full else None,
            body=draft.request_body.finish() if full and draft is not None and draft.request_body is not None else None,
        ), source

    def _name(self, value: object) -> str | None:
        return self._label(value) if isinstance(value, str | bytes) else None

    def _params(self, params: dict[str, Any] | None) -> dict[str, str] | None:
        if params is None:
            return None
        cleaned = self._redact.value(params, identifiers=True)
        return {key: value if isinstance(value, str) else str(value) for key, value in cleaned.items()}


def _path(scope: Scope) -> str | bytes:
    """The path; as the client sent it where the server could not decode it."""
    path: str = scope.get("path", "")
    if _REPLACEMENT in path and isinstance(raw := scope.get("raw_path"), bytes):
        return unquote_to_bytes(raw)
    return path
