"""What the servers of test_command_lines.py serve: it answers at once, or when it may, and tells its life."""

import os
from pathlib import Path

import anyio

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import Receive, Scope, Send


def tell(what: str) -> None:
    """Append a line that outlives the process."""
    with Path("life.txt").open("a", encoding="utf-8") as file:
        file.write(f"{what}\n")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer; `/slow` waits for the file `go`."""
    if scope["type"] == "lifespan":
        kind = ""
        while kind != "lifespan.shutdown":
            kind = (await receive())["type"]
            tell(kind)
            await send({"type": f"{kind}.complete"})
        return
    if scope["path"] == "/slow":
        tell("slow begins")
        try:
            while not Path("go").exists():
                await anyio.sleep(0.02)  # nobody tells another process
        except BaseException:
            tell("slow is cancelled")
            raise
        tell("slow ends")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})


trail = AuditTrail("sqlite:///audit.db", journal=os.environ.get("JOURNAL", "journal"))
app = AuditMiddleware(application, trail)
