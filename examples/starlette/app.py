"""Invoices in Starlette, on record.

    pip install "asgi-audit[sqlite,cli]" starlette itsdangerous python-multipart uvicorn websockets
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
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    BaseUser,
    SimpleUser,
    requires,
)
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.starlette import install


class User(NamedTuple):
    """Somebody who may sign in."""

    id: str
    name: str
    password: str
    rights: list[str]


USERS = {
    "ada": User("42", "Ada", "lovelace", ["signed in"]),
    "grace": User("43", "Grace", "hopper", ["signed in", "administrator"]),
}
invoices = {"2026-117": 1999}


# <actor>
class SignedIn(SimpleUser):
    """Who is signed in. The trail finds `id` and `display_name` by themselves."""

    def __init__(self, user: User) -> None:
        super().__init__(user.name)
        self.id = user.id


class Sessions(AuthenticationBackend):
    """Who is asking, by the session's cookie."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        user = USERS.get(conn.session.get("name", ""))
        return None if user is None else (AuthCredentials(user.rights), SignedIn(user))


# </actor>
async def sign_in(request: Request) -> Response:
    given = await request.json()
    user = USERS.get(given["name"])
    if user is None or not secrets.compare_digest(user.password, given["password"]):
        raise HTTPException(401)
    request.session["name"] = given["name"]
    set_actor(user.id, type="user", name=user.name)
    return JSONResponse({})


# <actions>
@requires("signed in", status_code=401)
async def change(request: Request) -> Response:
    number, cents = request.path_params["number"], (await request.json())["cents"]
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
    invoices[number] = cents
    return JSONResponse({"cents": cents})


@requires("signed in", status_code=401)
@audited("invoice.approve", target=lambda request: Target(request.path_params["number"], type="invoice"))
async def approve(request: Request) -> Response:
    return JSONResponse({})


# </actions>
@requires("administrator", status_code=403)
async def delete(request: Request) -> Response:
    annotate(target=Target(request.path_params["number"], type="invoice"))
    return Response(status_code=204)


@requires("signed in", status_code=401)
async def attach(request: Request) -> Response:
    annotate(target=Target(request.path_params["number"], type="invoice"))
    async with request.form() as form:
        file = form["file"]
        assert isinstance(file, UploadFile)
        return JSONResponse({"size": len(await file.read())}, 201)


async def report(request: Request) -> Response:
    raise RuntimeError("the printer is on fire")


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


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
app = Starlette(
    routes=[
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/invoices/{number}", change, methods=["PUT"]),
        Route("/invoices/{number}", delete, methods=["DELETE"]),
        Route("/invoices/{number}/approve", approve, methods=["POST"]),
        Route("/invoices/{number}/attachment", attach, methods=["POST"]),
        Route("/reports", report, methods=["POST"]),
        WebSocketRoute("/invoices/{number}/chat", chat),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key=os.environ.get("SECRET", secrets.token_urlsafe())),
        Middleware(AuthenticationMiddleware, backend=Sessions()),
    ],
)
install(app, trail)
# </install>

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
