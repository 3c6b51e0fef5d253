"""What the scope shows of routing once the application has run: the route's template, and the path parameters.

Starlette, FastAPI and Litestar leave it there. Nothing of it is promised to us, so what is of another kind than
expected is passed over.
"""

from typing import Any

from asgi_audit._types import Scope
from asgi_audit.mounts import template_of


def route_of(scope: Scope) -> str | None:
    """The template of the route that was taken, as `/users/{id}`. Reads other people's objects, so it may raise."""
    template = scope.get("path_template")  # Litestar
    if template is None and ("router" in scope or "route" in scope or "fastapi" in scope):
        template = template_of(scope)
    return template if isinstance(template, str) else None


def params_of(scope: Scope) -> dict[str, Any] | None:
    """The path parameters, as the framework has converted them."""
    params = scope.get("path_params")
    return params if isinstance(params, dict) and params else None
