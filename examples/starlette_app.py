"""The audit trail of a Starlette application: whom AuthenticationMiddleware lets in is on every record.

    pip install "asgi-audit[sqlite,cli]" starlette uvicorn
    python examples/starlette_app.py

    curl -X POST localhost:8000/invoices/2026-117/approve -H "Authorization: Bearer token-of-ada"
    curl -X POST localhost:8000/invoices/2026-117/approve
    asgi-audit log audit.db

The first request is Ada's; the second is nobody's, and `denied`.
"""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser, requires
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asgi_audit import AuditMiddleware, AuditTrail, Target, annotate

USERS = {"token-of-ada": "ada", "token-of-grace": "grace"}


class Tokens(AuthenticationBackend):
    """Knows people by their bearer tokens."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, SimpleUser] | None:
        user = USERS.get(conn.headers.get("Authorization", "").removeprefix("Bearer "))
        return None if user is None else (AuthCredentials(["signed-in"]), SimpleUser(user))


@requires("signed-in")
async def approve(request: Request) -> JSONResponse:
    number = request.path_params["number"]
    annotate(target=Target(number, type="invoice"))
    return JSONResponse({"approved": number})


app = Starlette(routes=[Route("/invoices/{number}/approve", approve, methods=["POST"])])
app.add_middleware(AuthenticationMiddleware, backend=Tokens())
app.add_middleware(AuditMiddleware, trail=AuditTrail("sqlite:///audit.db"))  # added last: the outermost one

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
