"""Invoices in BlackSheep, on record.

    pip install "asgi-audit[sqlite,cli]" blacksheep uvicorn websockets
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
from blacksheep import Application, Cookie, Request, Response, WebSocket, WebSocketDisconnectError, json
from blacksheep.server.authorization import auth
from guardpost import AuthenticationHandler, Identity

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.blacksheep import install


class User(NamedTuple):
    """Somebody who may sign in."""

    id: str
    name: str
    password: str
    roles: list[str]


USERS = {
    "ada": User("42", "Ada", "lovelace", []),
    "grace": User("43", "Grace", "hopper", ["administrator"]),
}
invoices = {"2026-117": 1999}
sessions: dict[str, User] = {}

api = Application()


# <actor>
class Sessions(AuthenticationHandler):
    """Who is asking, by the session's cookie. The trail reads the claims of who is authenticated."""

    def authenticate(self, context: Request) -> Identity | None:
        user = sessions.get(context.cookies.get("session", ""))
        if user is None:
            return None
        context.user = Identity({"sub": user.id, "name": user.name, "roles": user.roles}, "session")
        return context.user


api.use_authentication().add(Sessions())
# </actor>
api.use_authorization()


@api.router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    given = await request.json()
    user = USERS.get(given["name"])
    if user is None or not secrets.compare_digest(user.password, given["password"]):
        return Response(401)
    sessions[token := secrets.token_urlsafe()] = user
    set_actor(user.id, type="user", name=user.name)
    response = json({})
    response.set_cookie(Cookie("session", token, http_only=True))
    return response


# <actions>
@auth()
@api.router.put("/invoices/{number}")
async def change(request: Request, number: str) -> Response:
    cents = (await request.json())["cents"]
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
    invoices[number] = cents
    return json({"cents": cents})


@auth()
@api.router.post("/invoices/{number}/approve")
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
async def approve(number: str) -> Response:
    return json({"approved": number})


# </actions>
@auth(roles=["administrator"])
@api.router.delete("/invoices/{number}")
async def delete(number: str) -> Response:
    annotate(target=Target(number, type="invoice"))
    return Response(204)


@auth()
@api.router.post("/invoices/{number}/attachment")
async def attach(request: Request, number: str) -> Response:
    annotate(target=Target(number, type="invoice"))
    (file,) = await request.files("file")
    return json({"size": len(file.data)}, 201)


@api.router.post("/reports")
async def report() -> Response:
    raise RuntimeError("the printer is on fire")


@api.router.ws("/invoices/{number}/chat")
async def chat(socket: WebSocket, number: str) -> None:
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnectError:
        return


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
