"""What a server of the benchmarks serves: `python -m uvicorn benchmarks.served:app`, as the environment says.

`BENCH_APP` is `raw` or `fastapi`. `BENCH_SINK` is `none` (bare), `memory`, `hung`, `dead`, or a database's URL;
`BENCH_PLACE` the directory for the journal.
"""

import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from asgi_audit import AuditMiddleware, AuditTrail
from asgi_audit._types import Receive, Scope, Send
from asgi_audit.delivery import Delivery
from asgi_audit.journal import FileJournal, MemoryJournal
from asgi_audit.sinks import AnySink
from benchmarks.traffic import bare, hung, nowhere


async def raw(scope: Scope, receive: Receive, send: Send) -> None:
    """The bare application, which starts as servers like it."""
    if scope["type"] == "http":
        await bare(scope, receive, send)


def fastapi() -> FastAPI:
    """The smallest of applications, which reads a body."""
    app = FastAPI(openapi_url=None)

    @app.post("/orders/{number}", status_code=201)
    async def order(number: int, body: dict[str, str]) -> dict[str, int]:
        return {"number": number}

    return app


def _dead(_: object) -> None:
    raise ConnectionRefusedError("nobody is there")


_SINKS: dict[str, AnySink] = {"memory": nowhere, "hung": hung, "dead": _dead}


def _served() -> Any:
    app: Any = raw if os.environ["BENCH_APP"] == "raw" else fastapi()
    sink = os.environ["BENCH_SINK"]
    if sink == "none":
        return app
    place = Path(os.environ["BENCH_PLACE"])
    journal = MemoryJournal() if sink == "memory" else FileJournal(place / "journal", max_bytes=2**32)
    trail = AuditTrail(_SINKS.get(sink, sink), journal=journal, delivery=Delivery(rejected=place / "rejected.jsonl"))
    return AuditMiddleware(app, trail)


app = _served()
