"""The audit trail of a FastAPI application: who changed which project, who tried to, who read the payroll.

    pip install "asgi-audit[sqlite,cli]" fastapi uvicorn
    python examples/fastapi_app.py

    curl -X PATCH "localhost:8000/projects/7?name=Apollo" -H "Authorization: Bearer token-of-ada"
    curl -X DELETE localhost:8000/projects/7 -H "Authorization: Bearer token-of-ada"
    curl localhost:8000/payroll -H "Authorization: Bearer token-of-grace"
    asgi-audit log audit.db

Five requests and events in Ada's and Grace's names. `asgi-audit show audit.db ID` tells all about one of them.
"""

import os
from typing import Annotated

import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from asgi_audit import AuditMiddleware, AuditTrail, Policy, Target, annotate, set_actor


class User(BaseModel):
    """Somebody who may sign in."""

    id: str
    name: str
    administrator: bool = False


USERS = {
    "token-of-ada": User(id="42", name="Ada"),
    "token-of-grace": User(id="43", name="Grace", administrator=True),
}
projects = {7: "Gemini"}


def signed_in(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> User:
    """Who asks. What this function has verified is what the trail is told."""
    user = USERS.get(credentials.credentials)
    if user is None:
        raise HTTPException(401, "unknown token")
    set_actor(user.id, type="user", name=user.name)
    return user


def administrator(user: Annotated[User, Depends(signed_in)]) -> User:
    """Who asks, if more is allowed to them than to others."""
    if not user.administrator:
        raise HTTPException(403, "administrators only")
    return user


def tell_members(project: int) -> None:
    """Runs after the response, so what it says is a record of its own, linked to that of the request."""
    annotate(action="project.announce", target=Target(str(project), type="project"), data={"members": 3})


api = FastAPI()


@api.patch("/projects/{project}", dependencies=[Depends(signed_in)])
def rename(project: int, name: str, background: BackgroundTasks) -> dict[str, str]:
    annotate(target=Target(str(project), type="project"), data={"before": projects[project], "after": name})
    projects[project] = name
    background.add_task(tell_members, project)
    return {"name": name}


@api.delete("/projects/{project}", dependencies=[Depends(administrator)], status_code=204)
def delete(project: int) -> None:
    annotate(action="project.delete", target=Target(str(project), type="project"))
    del projects[project]


@api.get("/payroll", dependencies=[Depends(administrator)])
def payroll() -> dict[str, int]:
    annotate(action="payroll.read")  # the policy skips GET; this one is on record because it has a name
    return {"Ada": 4_000, "Grace": 5_000}


trail = AuditTrail("sqlite:///audit.db", policy=Policy([*Policy.mutations, *Policy.denials]), service="projects")
app = AuditMiddleware(api, trail)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
