"""Invoices in Litestar, on record.

    pip install "asgi-audit[sqlite,cli]" "litestar[jwt]" uvicorn websockets
    python app.py

    curl -c jar -X POST localhost:8000/sign-in --json '{"name": "ada", "password": "lovelace"}'
    curl -b jar -X PUT localhost:8000/invoices/2026-117 --json '{"cents": 2500}'
    asgi-audit log audit.db

Ada may change and approve, Grace ("hopper") may delete.
"""

import os
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Annotated, Any

import uvicorn
from litestar import Litestar, WebSocket, delete, post, put, websocket
from litestar.connection import ASGIConnection
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import Body, FromPath, JSONBody
from litestar.response import Response
from litestar.security.jwt import JWTCookieAuth, Token

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.litestar import install


@dataclass
class User:
    """Somebody who may sign in. The trail finds `id` and `name` by themselves."""

    id: str
    name: str
    password: str
    administrator: bool = False


@dataclass
class SignIn:
    """What one signs in with."""

    name: str
    password: str


@dataclass
class Invoice:
    """What is to be paid."""

    cents: int


USERS = {
    "ada": User("42", "Ada", "lovelace"),
    "grace": User("43", "Grace", "hopper", administrator=True),
}
invoices = {"2026-117": 1999}


# <actor>
async def user_of(token: Token, connection: ASGIConnection[Any, Any, Any, Any]) -> User | None:
    return next((user for user in USERS.values() if user.id == token.sub), None)


auth = JWTCookieAuth[User](
    retrieve_user_handler=user_of,
    token_secret=os.environ.get("SECRET", secrets.token_urlsafe(32)),
    exclude=["^/sign-in$", "^/reports$", "/chat$"],
)


# </actor>
def administrator(connection: ASGIConnection[Any, User, Any, Any], _: BaseRouteHandler) -> None:
    if not connection.user.administrator:
        raise PermissionDeniedException("administrators only")


@post("/sign-in", status_code=200)
async def sign_in(data: JSONBody[SignIn]) -> Response[dict[str, str]]:
    user = USERS.get(data.name)
    if user is None or not secrets.compare_digest(user.password, data.password):
        raise NotAuthorizedException("wrong name or password")
    set_actor(user.id, type="user", name=user.name)
    return auth.login(user.id, response_body={}, response_status_code=200)


# <actions>
@put("/invoices/{number:str}")
async def change(number: FromPath[str], data: JSONBody[Invoice]) -> Invoice:
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": data.cents})
    invoices[number] = data.cents
    return data


@post("/invoices/{number:str}/approve", status_code=200)
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
async def approve(number: FromPath[str]) -> dict[str, str]:
    return {"approved": number}


# </actions>
@delete("/invoices/{number:str}", guards=[administrator])
async def remove(number: FromPath[str]) -> None:
    annotate(target=Target(number, type="invoice"))


@post("/invoices/{number:str}/attachment")
async def attach(
    number: FromPath[str], data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)]
) -> dict[str, int]:
    annotate(target=Target(number, type="invoice"))
    return {"size": len(await data["file"].read())}


@post("/reports")
async def report() -> None:
    raise RuntimeError("the printer is on fire")


@websocket("/invoices/{number:str}/chat")
async def chat(socket: WebSocket[Any, Any, Any], number: FromPath[str]) -> None:
    await socket.accept()
    async for text in socket.iter_data("text"):
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
app = Litestar([sign_in, change, approve, remove, attach, report, chat], on_app_init=[auth.on_app_init])
install(app, trail)
# </install>

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
