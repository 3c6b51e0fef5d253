"""Invoices in Quart, on record.

    pip install "asgi-audit[sqlite,cli]" quart quart-auth uvicorn websockets
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
from quart import Quart, abort, request, websocket
from quart.typing import ResponseReturnValue
from quart_auth import AuthUser, QuartAuth, current_user, login_required, login_user

from asgi_audit import AuditTrail, Policy, Target, annotate, audited
from asgi_audit.contrib.quart import install


class User(NamedTuple):
    """Somebody who may sign in."""

    id: str
    name: str
    password: str
    administrator: bool = False


USERS = {
    "ada": User("42", "Ada", "lovelace"),
    "grace": User("43", "Grace", "hopper", administrator=True),
}
invoices = {"2026-117": 1999}

app = Quart("invoices")
app.secret_key = os.environ.get("SECRET", secrets.token_urlsafe())

# <actor>
app.config["QUART_AUTH_COOKIE_SECURE"] = False  # this example is served without TLS
QuartAuth(app)


@app.post("/sign-in")
async def sign_in() -> ResponseReturnValue:
    given = await request.get_json()
    user = USERS.get(given["name"])
    if user is None or not secrets.compare_digest(user.password, given["password"]):
        abort(401)
    login_user(AuthUser(user.id))  # from here on the trail knows who it is
    return {}


# </actor>
# <actions>
@app.put("/invoices/<number>")
@login_required
async def change(number: str) -> ResponseReturnValue:
    cents = (await request.get_json())["cents"]
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": cents})
    invoices[number] = cents
    return {"cents": cents}


@app.post("/invoices/<number>/approve")
@login_required
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
async def approve(number: str) -> ResponseReturnValue:
    return {"approved": number}


# </actions>
@app.delete("/invoices/<number>")
@login_required
async def delete(number: str) -> ResponseReturnValue:
    if not any(user.id == current_user.auth_id and user.administrator for user in USERS.values()):
        abort(403)
    annotate(target=Target(number, type="invoice"))
    return "", 204


@app.post("/invoices/<number>/attachment")
@login_required
async def attach(number: str) -> ResponseReturnValue:
    annotate(target=Target(number, type="invoice"))
    return {"size": len((await request.files)["file"].read())}, 201


@app.post("/reports")
async def report() -> ResponseReturnValue:
    raise RuntimeError("the printer is on fire")


@app.websocket("/invoices/<number>/chat")
async def chat(number: str) -> None:
    while True:
        await websocket.send(await websocket.receive())


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
install(app, trail)
# </install>

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
