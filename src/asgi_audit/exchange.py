"""One HTTP request on its way: watches the messages pass, and knows how it ended.

Rule 1: every message passes as it is, when it comes, and nothing that happens here can keep it from passing.
Rule 2: the record is made just before the message from which the client can know that the response is over.
Rule 3: after a 5xx the application may still raise, which belongs into the record: until it returns, a provisional one
is held.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.draft import Capture, Draft
from asgi_audit.endings import ending_of, is_cancellation, raised
from asgi_audit.lastword import LastWord
from asgi_audit.policy import Verdict
from asgi_audit.record import Outcome
from asgi_audit.rule import REQUEST, RESPONSE
from asgi_audit.trail import AuditTrail

_EMPTY = frozenset({204, 304})
# Servers of these versions of the specification never raise out of `send`; later ones should, when the client is gone.
_SILENT = frozenset({"2.0", "2.1", "2.2", "2.3"})


class Exchange:
    """The state of one request, and the `send` and `receive` that the application gets."""

    __slots__ = (
        "_disconnected",
        "_draft",
        "_expected",
        "_last",
        "_over",
        "_receive",
        "_request",
        "_response",
        "_scope",
        "_send",
        "_trail",
        "_trailers",
        "_verdict",
    )

    def __init__(
        self, trail: AuditTrail, draft: Draft, verdict: Verdict, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._trail = trail
        self._draft = draft
        self._verdict = verdict
        self._scope = scope
        self._receive = receive
        self._last = LastWord(trail, send) if trail.synchronous else None
        self._send = send if self._last is None else self._last.send
        self._disconnected = False
        self._over = False  # the client can know that the response is over
        self._expected: int | None = None
        self._trailers = False
        self._request: Capture | None = None
        self._response: Capture | None = None
        if verdict.capture >= REQUEST:
            self._request = draft.request_body = trail.capture(scope.get("headers"))

    @property
    def sender(self) -> Callable[[Message], Awaitable[None]]:
        """What the application gets as `send`: plain where the server never raises out of it."""
        about = self._scope.get("asgi")
        version = about.get("spec_version", "2.0") if isinstance(about, dict) else "2.0"
        return self.send if str(version) in _SILENT else self.guarded_send

    def send(self, message: Message) -> Awaitable[None]:
        """Pass the message on. A plain function that returns the server's awaitable: one coroutine less per message."""
        try:
            self._watch(message)
        except Exception as error:  # noqa: BLE001 - rule 1
            self._trail.note("a message could not be read", error)
        return self._send(message)

    async def guarded_send(self, message: Message) -> None:
        """Pass the message on to a server that may raise when the client is gone (ASGI 2.4 and later)."""
        over = self._over
        try:
            await self.send(message)
        except OSError:
            self._disconnected |= not over  # also where the end of the response is what it could not pass on
            raise

    async def receive(self) -> Message:
        """Take the next message."""
        message = await self._receive()
        try:
            self._heed(message)
        except Exception as error:  # noqa: BLE001 - rule 1
            self._trail.note("a message could not be read", error)
        return message

    def end(self, error: BaseException | None) -> None:
        """The application has returned or raised."""
        draft = self._draft
        late = (draft.finished or self._over) and not (self._last is not None and self._last.withheld)
        if late and error is not None and is_cancellation(error):
            error = None  # nothing of the response was called off
        if not draft.finished:
            error = draft.error = error or draft.error  # the framework may have told of one that it has answered
            if self._disconnected:
                draft.outcome = Outcome.DISCONNECTED
            elif error is not None:
                draft.outcome = raised(error)
            elif not self._over:
                draft.outcome = Outcome.NO_RESPONSE
            self._trail.submit(draft, self._verdict)
        elif error is not None:
            self._trail.failed_late(draft, error, Outcome.DISCONNECTED if self._disconnected else raised(error))
        draft.release()

    def _heed(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.request":
            body = message.get("body", b"")
            self._draft.request_size = (self._draft.request_size or 0) + len(body)
            if self._request is not None and not self._draft.finished:
                self._request.feed(body)
        elif kind == "http.disconnect" and not self._over:
            self._disconnected = True

    def _watch(self, message: Message) -> None:
        if self._over:
            return
        kind = message["type"]
        draft = self._draft
        if kind == "http.response.body":
            body = message.get("body", b"")
            size = draft.response_size = (draft.response_size or 0) + len(body)
            if self._response is not None:
                self._response.feed(body)
            whole = not message.get("more_body") or (self._expected is not None and size >= self._expected)
            if whole and not self._trailers:
                self._complete()
        elif kind == "http.response.start":
            self._start(message)
        elif kind == "http.response.trailers":
            if not message.get("more_trailers"):
                self._complete()
        elif kind == "http.response.pathsend":
            draft.response_size = None
            self._complete()
        elif kind == "http.response.zerocopysend":
            draft.response_size = None
            if not message.get("more_body"):
                self._complete()

    def _start(self, message: Message) -> None:
        draft = self._draft
        if draft.status is not None:
            return
        status = draft.status = message["status"]
        headers: Any = message.get("headers")
        if isinstance(headers, list | tuple):  # another iterable may be one that only the server can read
            draft.response_headers = headers
            self._expected = _content_length(headers)
        if self._verdict.capture >= RESPONSE:
            self._response = draft.response_body = self._trail.capture(draft.response_headers)
        draft.response_size = 0
        self._trailers = bool(message.get("trailers")) and "http.response.trailers" in (
            self._scope.get("extensions") or ()
        )
        if status in _EMPTY or self._expected == 0 or self._scope["method"] == "HEAD":
            self._complete()

    def _complete(self) -> None:
        self._over = True
        draft = self._draft
        draft.outcome = Outcome.DISCONNECTED if self._disconnected else ending_of(draft.status)
        if draft.status is not None and draft.status >= 500:
            if draft.error is not None and not self._disconnected:
                draft.outcome = raised(draft.error)
            self._trail.hold(draft, self._verdict)
        else:
            draft.error = None  # whatever the framework has told of, it has found an answer to it
            self._trail.submit(draft, self._verdict)
        if self._last is not None:
            self._last.due = draft.action is not None


def _content_length(headers: list[tuple[bytes, bytes]] | tuple[tuple[bytes, bytes], ...]) -> int | None:
    for name, value in headers:
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value) if value.isdigit() else None
    return None
