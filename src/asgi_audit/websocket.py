"""One websocket connection on its way: one record, made at its end. The rules are those of `exchange`."""

from collections.abc import Awaitable, Callable

from asgi_audit._types import Message, Receive, Send
from asgi_audit.draft import Draft
from asgi_audit.endings import ending_of, is_cancellation, raised
from asgi_audit.lastword import LastWord
from asgi_audit.policy import Verdict
from asgi_audit.record import Kind, Outcome, Traffic, WebSocket
from asgi_audit.trail import AuditTrail

_REGULAR = frozenset({1000, 1001})
_DROPPED = frozenset({1005, 1006})


class WebSocketExchange:
    """The state of one connection, and the `send` and `receive` that the application gets."""

    def __init__(self, trail: AuditTrail, draft: Draft, verdict: Verdict, receive: Receive, send: Send) -> None:
        draft.kind = Kind.WEBSOCKET
        self._trail = trail
        self._draft = draft
        self._verdict = verdict
        self._receive = receive
        self._last = LastWord(trail, send) if trail.synchronous else None
        self._send = send if self._last is None else self._last.send
        self._accepted = False
        self._disconnected = False
        self._code: int | None = None
        self._received = [0, 0]  # messages, bytes
        self._sent = [0, 0]

    @property
    def sender(self) -> Callable[[Message], Awaitable[None]]:
        """What the application gets as `send`."""
        return self.send

    async def send(self, message: Message) -> None:
        """Pass the message on."""
        try:
            self._watch(message)
        except Exception as error:  # noqa: BLE001 - nothing that happens here may keep a message from passing
            self._trail.note("a message could not be read", error)
        try:
            await self._send(message)
        except OSError:
            self._disconnected = True
            raise

    async def receive(self) -> Message:
        """Take the next message."""
        message = await self._receive()
        try:
            self._heed(message)
        except Exception as error:  # noqa: BLE001 - nothing that happens here may keep a message from passing
            self._trail.note("a message could not be read", error)
        return message

    def end(self, error: BaseException | None) -> None:
        """The application has returned or raised."""
        draft = self._draft
        if draft.finished:
            withheld = self._last is not None and self._last.withheld
            if error is not None and (withheld or not is_cancellation(error)):
                self._trail.failed_late(draft, error, raised(error))
        else:
            error = draft.error = error or draft.error  # the framework may have told of one that it has answered
            self._submit(self._ending(error))
        draft.release()

    def _ending(self, error: BaseException | None) -> Outcome:
        if self._disconnected and (error is None or isinstance(error, OSError) or is_cancellation(error)):
            return self._left()
        if self._disconnected:  # as in HTTP: what it then raised, if only to say so, is on record beside it
            return Outcome.DISCONNECTED
        if error is not None:
            return raised(error)
        return Outcome.SUCCESS if self._accepted else Outcome.NO_RESPONSE

    def _heed(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.receive":
            _count(self._received, message)
        elif kind == "websocket.disconnect" and not self._draft.finished:
            self._disconnected = True
            self._code = message.get("code")

    def _watch(self, message: Message) -> None:
        if self._draft.finished:
            return
        kind = message["type"]
        if kind == "websocket.send":
            _count(self._sent, message)
        elif kind == "websocket.accept":
            self._accepted = True
        elif kind == "websocket.close":
            self._close(message)
        elif kind == "websocket.http.response.start":
            self._draft.status = message["status"]
        elif kind == "websocket.http.response.body" and not message.get("more_body"):
            self._deny()

    def _close(self, message: Message) -> None:
        if self._disconnected:
            self._submit(self._left())  # as tidy applications do: there is nobody left to close it for
        elif self._accepted:
            self._code = message.get("code", 1000)
            self._submit(self._told(Outcome.SUCCESS if self._code in _REGULAR else Outcome.FAILED))
        else:
            self._draft.status = 403  # what the specification has the server send
            self._submit(self._told(Outcome.DENIED))

    def _told(self, outcome: Outcome) -> Outcome:
        """The outcome, unless the framework has told of an exception that it answers by closing."""
        return outcome if self._draft.error is None else raised(self._draft.error)

    def _deny(self) -> None:
        """A denial response is over: not accepted, for the reason that its status gives."""
        outcome = ending_of(self._draft.status)
        self._submit(self._told(Outcome.DENIED if outcome is Outcome.SUCCESS else outcome))

    def _left(self) -> Outcome:
        """The client is gone: in good order, without a word, or with a complaint."""
        if not self._accepted or self._code is None or self._code in _DROPPED:
            return Outcome.DISCONNECTED
        return Outcome.SUCCESS if self._code in _REGULAR else Outcome.FAILED

    def _submit(self, outcome: Outcome) -> None:
        draft = self._draft
        draft.outcome = outcome
        draft.websocket = WebSocket(
            code=self._code,
            received=Traffic(messages=self._received[0], bytes=self._received[1]),
            sent=Traffic(messages=self._sent[0], bytes=self._sent[1]),
        )
        self._trail.submit(draft, self._verdict)
        if self._last is not None:
            self._last.due = draft.action is not None


def _count(traffic: list[int], message: Message) -> None:
    payload = message.get("bytes")
    if payload is None:
        text: str = message.get("text") or ""
        payload = text.encode("utf-8", "surrogatepass")
    traffic[0] += 1
    traffic[1] += len(payload)
