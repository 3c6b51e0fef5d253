"""Invoices in FastAPI, on record.

    pip install "asgi-audit[sqlite,cli]" fastapi python-multipart uvicorn websockets
    python app.py

    curl -X POST localhost:8000/sign-in --json '{"name": "ada", "password": "lovelace"}'
    curl -X PUT localhost:8000/invoices/2026-117 --json '{"cents": 2500}' -H "Authorization: Bearer TOKEN"
    asgi-audit log audit.db

Ada may change and approve, Grace ("hopper") may delete.
"""

import os
import secrets
from collections.abc import MutableMapping
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, UploadFile, WebSocket
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from asgi_audit import AuditTrail, Policy, Target, annotate, audited, set_actor
from asgi_audit.contrib.fastapi import install


class User(BaseModel):
    """Somebody who may sign in."""

    id: str
    name: str
    password: str
    administrator: bool = False


class SignIn(BaseModel):
    """What one signs in with."""

    name: str
    password: str


class Invoice(BaseModel):
    """What is to be paid."""

    cents: int


USERS = {
    "ada": User(id="42", name="Ada", password="lovelace"),
    "grace": User(id="43", name="Grace", password="hopper", administrator=True),
}
tokens: dict[str, User] = {}
invoices = {"2026-117": 1999}


# <actor>
bearer = HTTPBearer(auto_error=False)


def signed_in(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> User:
    user = None if credentials is None else tokens.get(credentials.credentials)
    if user is None:
        raise HTTPException(401, "no such token")
    set_actor(user.id, type="user", name=user.name)  # the one line
    return user


# </actor>
def administrator(user: Annotated[User, Depends(signed_in)]) -> None:
    if not user.administrator:
        raise HTTPException(403, "administrators only")


api = FastAPI()


@api.post("/sign-in")
def sign_in(given: SignIn) -> dict[str, str]:
    user = USERS.get(given.name)
    if user is None or not secrets.compare_digest(user.password, given.password):
        raise HTTPException(401, "wrong name or password")
    set_actor(user.id, type="user", name=user.name)
    token = secrets.token_urlsafe()
    tokens[token] = user
    return {"token": token}


# <actions>
@api.put("/invoices/{number}", dependencies=[Depends(signed_in)])
def change(number: str, invoice: Invoice) -> Invoice:
    annotate(target=Target(number, type="invoice"), data={"before": invoices[number], "after": invoice.cents})
    invoices[number] = invoice.cents
    return invoice


@api.post("/invoices/{number}/approve", dependencies=[Depends(signed_in)])
@audited("invoice.approve", target=lambda number: Target(number, type="invoice"))
async def approve(number: str) -> dict[str, str]:
    return {"approved": number}


# </actions>
@api.delete("/invoices/{number}", dependencies=[Depends(administrator)], status_code=204)
def delete(number: str) -> None:
    annotate(target=Target(number, type="invoice"))


@api.post("/invoices/{number}/attachment", dependencies=[Depends(signed_in)], status_code=201)
async def attach(number: str, file: UploadFile) -> dict[str, int]:
    annotate(target=Target(number, type="invoice"))
    return {"size": len(await file.read())}


@api.post("/reports")
def report() -> None:
    raise RuntimeError("the printer is on fire")


@api.websocket("/invoices/{number}/chat")
async def chat(number: str, websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


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
