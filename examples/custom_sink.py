"""A sink of one's own: records are posted to an HTTP collector, and stay in SQLite too.

    pip install "asgi-audit[sqlite,cli]" httpx starlette uvicorn
    uvicorn custom_sink:collector --app-dir examples --port 9000
    python examples/custom_sink.py

    curl -X POST localhost:8000/orders
    curl localhost:9000/records

Stop the collector, send orders, start it again: the records arrive, and nobody who ordered has waited.
"""

import os
from collections.abc import Sequence

import httpx
import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_audit import AuditMiddleware, Record


class HTTPSink:
    """Posts each batch as a JSON array. What is raised here makes the trail send the batch again."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        self._client = httpx.AsyncClient()

    async def write(self, records: Sequence[Record]) -> None:
        (await self._client.post(self._url, json=msgspec.to_builtins(records))).raise_for_status()

    async def close(self) -> None:
        await self._client.aclose()


async def order(request: Request) -> JSONResponse:
    return JSONResponse({"ordered": True}, status_code=201)


shop = Starlette(routes=[Route("/orders", order, methods=["POST"])])
collector_url = os.environ.get("COLLECTOR", "http://localhost:9000/records")
app = AuditMiddleware(shop, ["sqlite:///audit.db", HTTPSink(collector_url)])


# The other end, so that there is something to try it on.

collected: dict[str, object] = {}


async def collect(request: Request) -> JSONResponse:
    collected.update({record["id"]: record for record in await request.json()})  # one that comes twice is kept once
    return JSONResponse({"stored": len(collected)})


async def show(request: Request) -> JSONResponse:
    return JSONResponse(list(collected.values()))


collector = Starlette(routes=[Route("/records", collect, methods=["POST"]), Route("/records", show)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
