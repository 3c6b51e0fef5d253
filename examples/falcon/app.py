"""Invoices in Falcon, on record.

    pip install "asgi-audit[sqlite,cli]" falcon uvicorn websockets
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

import falcon
import falcon.asgi
import uvicorn
from falcon import WebSocketDisconnected
from falcon.asgi import Request, Response, WebSocket

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.falcon import install


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


# <actor>
class Sessions:
    """Who is asking, by the session's cookie. The trail looks for `req.context.user`."""

    async def process_request(self, req: Request, _: Response) -> None:
        req.context.user = sessions.get(req.cookies.get("session", ""))


# </actor>
def signed_in(req: Request) -> User:
    user: User | None = req.context.user
    if user is None:
        raise falcon.HTTPUnauthorized
    return user


class SignIn:
    """POST /sign-in."""

    async def on_post(self, req: Request, resp: Response) -> None:
        given = await req.get_media()
        user = USERS.get(given["name"])
        if user is None or not secrets.compare_digest(user.password, given["password"]):
            raise falcon.HTTPUnauthorized
        sessions[token := secrets.token_urlsafe()] = user
        set_actor(user.id, type="user", name=user.name)
        resp.set_cookie("session", token, secure=False)
        resp.media = {}


# <actions>
class Invoice:
    """PUT and DELETE /invoices/{number}."""

    async def on_put(self, req: Request, resp: Response, number: str) -> None:
        signed_in(req)
        cents = (await req.get_media())["cents"]
        annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
        invoices[number] = cents
        resp.media = {"cents": cents}

    async def on_delete(self, req: Request, resp: Response, number: str) -> None:
        if not signed_in(req).administrator:
            raise falcon.HTTPForbidden
        annotate(target=Target(number, type="invoice"))
        resp.status = falcon.HTTP_204


class Approval:
    """POST /invoices/{number}/approve."""

    @audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
    async def on_post(self, req: Request, resp: Response, number: str) -> None:
        signed_in(req)
        resp.media = {"approved": number}


# </actions>
class Attachment:
    """POST /invoices/{number}/attachment."""

    async def on_post(self, req: Request, resp: Response, number: str) -> None:
        signed_in(req)
        annotate(target=Target(number, type="invoice"))
        async for part in await req.get_media():
            if part.name == "file":
                resp.media = {"size": len(await part.stream.read())}
        resp.status = falcon.HTTP_201


class Report:
    """POST /reports."""

    async def on_post(self, req: Request, resp: Response) -> None:
        raise RuntimeError("the printer is on fire")


class Chat:
    """A websocket at /invoices/{number}/chat."""

    async def on_websocket(self, _: Request, socket: WebSocket, number: str) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnected:
            return


api = falcon.asgi.App(middleware=[Sessions()])
api.add_route("/sign-in", SignIn())
api.add_route("/invoices/{number}", Invoice())
api.add_route("/invoices/{number}/approve", Approval())
api.add_route("/invoices/{number}/attachment", Attachment())
api.add_route("/invoices/{number}/chat", Chat())
api.add_route("/reports", Report())


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
