"""What the server says of a request: read out of the scope, redacted, in one place."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

from asgi_audit._types import Scope
from asgi_audit.client import TrustedProxies
from asgi_audit.draft import Draft
from asgi_audit.failures import Failures
from asgi_audit.opening import Opening
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

    def __init__(self, redact: Redactor, proxies: TrustedProxies, failures: Failures) -> None:
        self._redact = redact
        self._failures = failures
        self._proxies = proxies
        # Most of these are the same in every request.
        self._agent = lru_cache(maxsize=1024)(partial(redact.text, limit=_LONGEST_AGENT))
        self._label = lru_cache(maxsize=1024)(partial(redact.identifier, limit=_LONGEST_NAME))

    def open(self, draft: Draft, level: Level) -> Opening:
        """What was asked, and from where, as the server said at the start."""
        method, path, query, client, raw_headers = draft.origin
        pairs: Iterable[tuple[bytes, bytes]] = raw_headers if isinstance(raw_headers, list | tuple) else ()
        try:
            headers = dict(pairs)
        except (TypeError, ValueError):  # no pairs: somebody's mistake, which must not cost the record
            pairs, headers = (), {}
        address = self._proxies.resolve(client, pairs)
        agent = headers.get(b"user-agent")
        request_id = headers.get(b"x-request-id")
        traceparent = headers.get(b"traceparent")
        raw_path = _decoded(path or "", draft.scope or {})
        return Opening(
            self._name(method),
            raw_path,
            self._redact.identifier(raw_path, _LONGEST_PATH),
            self._redact.query(query) if query else None,
            self._name(headers.get(b"host")),
            self._redact.identifier(request_id, _LONGEST_NAME) if isinstance(request_id, bytes) else None,
            trace_id(traceparent) if isinstance(traceparent, bytes) else None,
            Source(
                ip=address.ip,
                ip_source=None if address.ip is None else address.source,
                port=address.port,
                user_agent=self._remembered(self._agent, agent) if isinstance(agent, bytes) else None,
            ),
            pairs,
            self._redact.headers(pairs) if level >= Level.REQUEST else None,
        )

    def ahead(self, draft: Draft, opening: Opening) -> Request:
        """The request as far as it is known before the application runs.

        No framework has routed it yet, so its path can't be masked by the names of its parameters.
        """
        scope = draft.scope or {}
        return Request(
            method=opening.method,
            path=opening.path,
            query=opening.query,
            scheme=self._name(scope.get("scheme")),
            host=opening.host,
            http_version=self._name(scope.get("http_version")),
            id=opening.id,
            trace_id=opening.trace_id,
            headers=opening.headers,
        )

    def read(self, draft: Draft, level: Level) -> tuple[Request, Source]:
        """What was asked, and from where: as the server said at the start, and as the framework has routed since."""
        opening = draft.opening or self.open(draft, level)
        scope = draft.scope or {}
        full = level >= Level.REQUEST
        route, params = self._routing(draft, scope)
        headers = opening.headers if full else None
        return Request(
            method=opening.method,
            path=opening.path if params is None else self._masked(opening, params),
            route=self._name(route),
            params=None if params is None else self._params(params),
            query=opening.query,
            scheme=self._name(scope.get("scheme")),
            host=opening.host,
            http_version=self._name(scope.get("http_version")),
            id=opening.id,
            trace_id=opening.trace_id,
            size=draft.request_size,
            headers=self._redact.headers(opening.pairs) if full and headers is None else headers,
            body=draft.request_body.finish() if full and draft.request_body is not None else None,
        ), opening.source

    def _routing(self, draft: Draft, scope: Scope) -> tuple[str | None, dict[str, Any] | None]:
        """The route's template and the path parameters: as the framework's adapter says, else as the scope shows."""
        insight = draft.insight
        try:
            if insight is None:
                return route_of(scope), params_of(scope)
            params = insight.params()
            return insight.route(), dict(params) if params else None
        except Exception as error:  # noqa: BLE001 - another framework's objects, which may do anything when asked
            self._failures.note("a framework's routing could not be read", error)
            return None, None

    def _name(self, value: object) -> str | None:
        return self._remembered(self._label, value) if isinstance(value, str | bytes) else None

    def _remembered(self, clean: Callable[[str | bytes], str], value: str | bytes) -> str:
        """Through the cache, unless the value is so long that a thousand of them would fill the memory."""
        return clean(value) if len(value) <= _LONGEST_REMEMBERED else clean.__wrapped__(value)  # type: ignore[attr-defined]

    def _masked(self, opening: Opening, params: dict[str, Any]) -> str:
        """The path without the values of those parameters whose names are denied: `/reset/{token}`."""
        path = given = opening.raw_path
        if isinstance(path, bytes):
            return opening.path
        for name, value in params.items():
            if self._redact.denies(str(name)) and (text := str(value)):
                path = f"{path}/".replace(f"/{text}/", f"/{self._redact.mask(text)}/").removesuffix("/")
        return opening.path if path is given else self._redact.identifier(path, _LONGEST_PATH)

    def _params(self, params: dict[str, Any]) -> dict[str, str]:
        cleaned = self._redact.value(params, identifiers=True)
        return {key: value if isinstance(value, str) else str(value) for key, value in cleaned.items()}


def _decoded(path: str, scope: Scope) -> str | bytes:
    """The path; as the client sent it where the server could not decode it."""
    if _REPLACEMENT in path and isinstance(raw := scope.get("raw_path"), bytes):
        return unquote_to_bytes(raw)
    return path
