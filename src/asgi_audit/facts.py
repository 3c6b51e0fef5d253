"""What the server says of a request: read out of the scope, redacted, in one place."""

from collections.abc import Callable, Iterable
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
_LONGEST_REMEMBERED = 256  # in a cache
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Facts:
    """Reads scopes. Total: no value that a client can send makes it raise."""

    def __init__(self, redact: Redactor, proxies: TrustedProxies) -> None:
        self._redact = redact
        self._proxies = proxies
        # Most of these are the same in every request.
        self._agent = lru_cache(maxsize=1024)(partial(redact.text, limit=_LONGEST_AGENT))
        self._label = lru_cache(maxsize=1024)(partial(redact.identifier, limit=_LONGEST_NAME))

    def read(self, draft: Draft, level: Level) -> tuple[Request, Source]:
        """What was asked, and from where: as the server said at the start, and as the framework has routed since."""
        method, path, query, client, raw_headers = draft.origin
        scope = draft.scope or {}
        pairs: Iterable[tuple[bytes, bytes]] = raw_headers if isinstance(raw_headers, list | tuple) else ()
        try:
            headers = dict(pairs)
        except (TypeError, ValueError):  # no pairs: somebody's mistake, which must not cost the record
            pairs, headers = (), {}
        address = self._proxies.resolve(client, pairs)
        agent = headers.get(b"user-agent")
        source = Source(
            ip=address.ip,
            ip_source=None if address.ip is None else address.source,
            port=address.port,
            user_agent=self._remembered(self._agent, agent) if isinstance(agent, bytes) else None,
        )
        full = level >= Level.REQUEST
        params = params_of(scope)
        request_id = headers.get(b"x-request-id")
        traceparent = headers.get(b"traceparent")
        return Request(
            method=self._name(method),
            path=self._redact.identifier(self._without_secrets(_decoded(path or "", scope), params), _LONGEST_PATH),
            route=self._name(route_of(scope)),
            params=self._params(params),
            query=self._redact.query(query) if query else None,
            scheme=self._name(scope.get("scheme")),
            host=self._name(headers.get(b"host")),
            http_version=self._name(scope.get("http_version")),
            id=self._redact.identifier(request_id, _LONGEST_NAME) if isinstance(request_id, bytes) else None,
            trace_id=trace_id(traceparent) if isinstance(traceparent, bytes) else None,
            size=draft.request_size,
            headers=self._redact.headers(pairs) if full else None,
            body=draft.request_body.finish() if full and draft.request_body is not None else None,
        ), source

    def _name(self, value: object) -> str | None:
        return self._remembered(self._label, value) if isinstance(value, str | bytes) else None

    def _remembered(self, clean: Callable[[str | bytes], str], value: str | bytes) -> str:
        """Through the cache, unless the value is so long that a thousand of them would fill the memory."""
        return clean(value) if len(value) <= _LONGEST_REMEMBERED else clean.__wrapped__(value)  # type: ignore[attr-defined]

    def _without_secrets(self, path: str | bytes, params: dict[str, Any] | None) -> str | bytes:
        """The path without the values of those parameters whose names are denied: `/reset/{token}`."""
        if params is None or isinstance(path, bytes):
            return path
        for name, value in params.items():
            if self._redact.denies(str(name)) and (text := str(value)):
                path = f"{path}/".replace(f"/{text}/", f"/{self._redact.mask(text)}/").removesuffix("/")
        return path

    def _params(self, params: dict[str, Any] | None) -> dict[str, str] | None:
        if params is None:
            return None
        cleaned = self._redact.value(params, identifiers=True)
        return {key: value if isinstance(value, str) else str(value) for key, value in cleaned.items()}


def _decoded(path: str, scope: Scope) -> str | bytes:
    """The path; as the client sent it where the server could not decode it."""
    if _REPLACEMENT in path and isinstance(raw := scope.get("raw_path"), bytes):
        return unquote_to_bytes(raw)
    return path
