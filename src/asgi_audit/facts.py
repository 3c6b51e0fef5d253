"""What the server says of a request: read out of the scope, redacted, in one place."""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote_to_bytes

from asgi_audit._types import Scope
from asgi_audit.client import TrustedProxies
from asgi_audit.draft import Draft
from asgi_audit.failures import Failures
from asgi_audit.opening import Labels, Opening
from asgi_audit.record import Request, Source
from asgi_audit.redaction import Redactor
from asgi_audit.routing import params_of, route_of
from asgi_audit.rule import REQUEST, WEBSOCKET, Level
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
        # Most of these are the same in every request, or at least in those of one connection.
        self._agent = lru_cache(maxsize=1024)(partial(redact.text, limit=_LONGEST_AGENT))
        self._label = lru_cache(maxsize=1024)(partial(redact.identifier, limit=_LONGEST_NAME))
        self._known_labels = lru_cache(maxsize=1024)(self._new_labels)
        self._known_peer = lru_cache(maxsize=1024)(self._new_source)

    def open(self, draft: Draft, level: Level) -> Opening:
        """What was asked, and from where, as the server said at the start."""
        asked = draft.origin.get
        query, raw_headers = asked("query_string"), asked("headers")
        pairs: Iterable[tuple[bytes, bytes]] = raw_headers if isinstance(raw_headers, list | tuple) else ()
        try:
            headers = dict(pairs)
        except (TypeError, ValueError):  # no pairs: somebody's mistake, which must not cost the record
            pairs, headers = (), {}
        request_id = headers.get(b"x-request-id")
        traceparent = headers.get(b"traceparent")
        raw_path = _decoded(asked("path") or "", draft.origin)
        return Opening(
            self._labels(asked("method"), headers.get(b"host"), asked("scheme"), asked("http_version")),
            raw_path,
            self._redact.identifier(raw_path, _LONGEST_PATH),
            self._redact.query(query) if query else None,
            self._redact.identifier(request_id, _LONGEST_NAME) if isinstance(request_id, bytes) else None,
            trace_id(traceparent) if isinstance(traceparent, bytes) else None,
            self._source(asked("client"), headers.get(b"user-agent"), pairs),
            pairs,
            self._redact.headers(pairs) if level >= REQUEST else None,
        )

    def ahead(self, opening: Opening) -> Request:
        """The request as far as it is known before the application runs.

        No framework has routed it yet, so its path can't be masked by the names of its parameters.
        """
        labels = opening.labels
        return Request(
            method=labels.method,
            path=opening.path,
            query=opening.query,
            scheme=labels.scheme,
            host=labels.host,
            http_version=labels.http_version,
            id=opening.id,
            trace_id=opening.trace_id,
            headers=opening.headers,
        )

    def read(self, draft: Draft, level: Level) -> tuple[Request, Opening]:
        """What was asked, and from where: as the server said at the start, and as the framework has routed since."""
        opening = draft.opening or self.open(draft, level)
        route, params = self._routing(draft, draft.scope or {})
        headers = body = None
        if level >= REQUEST:
            headers = self._redact.headers(opening.pairs) if opening.headers is None else opening.headers
            body = None if draft.request_body is None else draft.request_body.finish()
        labels = opening.labels
        return Request(
            method=labels.method,
            path=opening.path if params is None else self._masked(opening, params),
            route=None if route is None else self._name(route),
            params=None if params is None else self._params(params),
            query=opening.query,
            scheme=labels.scheme,
            host=labels.host,
            http_version=labels.http_version,
            id=opening.id,
            trace_id=opening.trace_id,
            size=draft.request_size,
            headers=headers,
            body=body,
        ), opening

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

    def _labels(self, method: object, host: object, scheme: object, version: object) -> Labels:
        """What is mostly the same, through a cache; unless it is so long that a thousand would fill the memory."""
        try:
            size = len(method or "") + len(host or "") + len(scheme or "") + len(version or "")  # type: ignore[arg-type]
            if size <= _LONGEST_REMEMBERED:
                return self._known_labels(method, host, scheme, version)
        except TypeError:  # no texts
            pass
        return self._new_labels(method, host, scheme, version)

    def _new_labels(self, method: object, host: object, scheme: object, version: object) -> Labels:
        name = self._name(method)
        action = WEBSOCKET if name is None else name.upper()
        return Labels(name, action, self._name(host), self._name(scheme), self._name(version))

    def _source(self, client: Any, agent: object, pairs: Iterable[tuple[bytes, bytes]]) -> Source:
        """From where; with the headers of a proxy that is trusted, each request may have come from elsewhere."""
        agent = agent if isinstance(agent, bytes) else None
        if self._proxies.any or len(agent or b"") > _LONGEST_REMEMBERED:
            return self._new_source(client, agent, pairs)
        try:
            return self._known_peer(client, agent)
        except TypeError:  # not to be remembered, as a list
            return self._new_source(client, agent)

    def _new_source(self, client: Any, agent: bytes | None, pairs: Iterable[tuple[bytes, bytes]] = ()) -> Source:
        address = self._proxies.resolve(client, pairs)
        return Source(
            ip=address.ip,
            ip_source=None if address.ip is None else address.source,
            port=address.port,
            user_agent=None if agent is None else self._remembered(self._agent, agent),
        )

    def _name(self, value: object) -> str | None:
        return self._remembered(self._label, value) if isinstance(value, str | bytes) else None

    def _remembered(self, clean: Callable[[str | bytes], str], value: str | bytes) -> str:
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
