"""Invoices in Sanic, on record.

    pip install "asgi-audit[sqlite,cli]" sanic uvicorn websockets
    python app.py

    curl -c jar -X POST localhost:8000/sign-in --json '{"name": "ada", "password": "lovelace"}'
    curl -b jar -X PUT localhost:8000/invoices/2026-117 --json '{"cents": 2500}'
    asgi-audit log audit.db

Ada may change and approve, Grace ("hopper") may delete.
"""

import os
import secrets
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import uvicorn
from sanic import HTTPResponse, Request, Sanic, Websocket, empty, json
from sanic.exceptions import Forbidden, Unauthorized

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.sanic import install


class User(NamedTuple):
    """Somebody who may sign in. The trail finds `id` and `name` by themselves."""

    id: str
    name: str
    password: str
    administrator: bool = False


USERS = {
    "ada": User("42", "Ada", "lovelace"),
    "grace": User("43", "Grace", "hopper", administrator=True),
}
invoices = {"2026-117": 1999}
sessions: dict[str, User] = {}

api: Sanic[Any, Any] = Sanic("invoices")


# <actor>
@api.on_request
async def look_up(request: Request) -> None:
    request.ctx.user = sessions.get(request.cookies.get("session") or "")


# </actor>
def signed_in(request: Request) -> User:
    user: User | None = request.ctx.user
    if user is None:
        raise Unauthorized("sign in first")
    return user


@api.post("/sign-in")
async def sign_in(request: Request) -> HTTPResponse:
    user = USERS.get(request.json["name"])
    if user is None or not secrets.compare_digest(user.password, request.json["password"]):
        raise Unauthorized("wrong name or password")
    sessions[token := secrets.token_urlsafe()] = user
    set_actor(user.id, type="user", name=user.name)
    response = json({})
    response.add_cookie("session", token, httponly=True, secure=False)
    return response


# <actions>
@api.put("/invoices/<number:str>")
async def change(request: Request, number: str) -> HTTPResponse:
    signed_in(request)
    cents = request.json["cents"]
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
    invoices[number] = cents
    return json({"cents": cents})


@api.post("/invoices/<number:str>/approve")
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
async def approve(request: Request, number: str) -> HTTPResponse:
    signed_in(request)
    return json({"approved": number})


# </actions>
@api.delete("/invoices/<number:str>")
async def delete(request: Request, number: str) -> HTTPResponse:
    if not signed_in(request).administrator:
        raise Forbidden("administrators only")
    annotate(target=Target(number, type="invoice"))
    return empty()


@api.post("/invoices/<number:str>/attachment")
async def attach(request: Request, number: str) -> HTTPResponse:
    signed_in(request)
    annotate(target=Target(number, type="invoice"))
    files: Any = request.files
    return json({"size": len(files.get("file").body)}, 201)


@api.post("/reports")
async def report(_: Request) -> HTTPResponse:
    raise RuntimeError("the printer is on fire")


@api.websocket("/invoices/<number:str>/chat")  # type: ignore[untyped-decorator]
async def chat(_: Request, socket: Websocket, number: str) -> None:
    while (text := await socket.recv()) is not None:
        await socket.send(text)


# <install>
def tenant_of(scope: MutableMapping[str, Any]) -> str:
    host: bytes = dict(scope["headers"])[b"host"]
    return host.decode().partition(".")[0]  # acme, of acme.example


trail = AuditTrail(
    "sqlite:///audit.db",
    policy=Policy([*Policy.mutations, *Policy.denials]),
    tenant=tenant_of,
    service="invoices",
)
app = install(api, trail)
# </install>

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
