"""The audit trail around a raw ASGI application.

    pip install "asgi-audit[sqlite,cli]" uvicorn
    python examples/raw_asgi.py

    curl -X PUT localhost:8000/notes/1 -d "buy milk"
    curl -X DELETE localhost:8000/notes/1
    asgi-audit log audit.db

There is no framework here that would say who acts and which route was taken, so the application says it.
"""

import os
from typing import Any

import uvicorn

from asgi_audit import AuditMiddleware, Target, annotate

notes: dict[str, bytes] = {}


async def notebook(scope: Any, receive: Any, send: Any) -> None:
    """GET, PUT and DELETE /notes/{id}."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    method, note = scope["method"], scope["path"].removeprefix("/notes/")
    status, body = 200, b""
    if method == "PUT":
        annotate(action="note.write", target=Target(note, type="note"))
        notes[note] = await read(receive)
    elif note not in notes:
        status = 404
    elif method == "DELETE":
        annotate(action="note.delete", target=Target(note, type="note"))
        del notes[note]
    else:
        body = notes[note]
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def read(receive: Any) -> bytes:
    """The whole body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


app = AuditMiddleware(notebook, "sqlite:///audit.db")

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
