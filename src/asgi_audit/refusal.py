"""The answer to a connection that must be on record before it is served, when that can't be: try again later."""

from typing import Final

import msgspec

from asgi_audit._types import Message, Receive, Scope, Send
from asgi_audit.draft import Draft
from asgi_audit.policy import Verdict
from asgi_audit.record import Traffic, WebSocket
from asgi_audit.trail import AuditTrail

_STATUS: Final = 503
_TRY_AGAIN_LATER: Final = 1013  # a websocket close code, from IANA's registry
_NO_TRAFFIC: Final = Traffic(messages=0, bytes=0)
# RFC 9457: of the type `about:blank` the title is the status's own phrase.
_BODY: Final = msgspec.json.encode(
    {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": _STATUS,
        "detail": "This request has to be recorded before it is carried out, and the record can't be written now. "
        "It was not carried out.",
    }
)
_HEADERS: Final = (
    (b"content-type", b"application/problem+json"),
    (b"content-length", str(len(_BODY)).encode()),
    (b"retry-after", b"5"),
)


async def refuse(trail: AuditTrail, draft: Draft, verdict: Verdict, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in the application's stead; a websocket is denied before it is accepted, as well as its server can."""
    websocket = scope["type"] == "websocket"
    if websocket:
        draft.websocket = WebSocket(received=_NO_TRAFFIC, sent=_NO_TRAFFIC)
    if websocket and "websocket.http.response" not in (scope.get("extensions") or ()):
        draft.status = 403  # what the specification has the server send
        messages: list[Message] = [{"type": "websocket.close", "code": _TRY_AGAIN_LATER}]
    else:
        draft.status, draft.response_headers, draft.response_size = _STATUS, _HEADERS, len(_BODY)
        messages = _response("websocket.http.response" if websocket else "http.response")
    trail.refuse(draft, verdict)
    draft.release()
    if websocket and (await receive())["type"] != "websocket.connect":
        return  # nobody is there any more
    for message in messages:
        await send(message)


def _response(kind: str) -> list[Message]:
    return [
        {"type": f"{kind}.start", "status": _STATUS, "headers": list(_HEADERS)},
        {"type": f"{kind}.body", "body": _BODY},
    ]
