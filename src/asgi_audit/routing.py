"""What the scope shows of routing once the application has run: the route's template, and the path parameters.

Starlette, FastAPI and Litestar leave it there. Nothing of it is promised to us, so whatever is not as expected is
passed over.
"""

from typing import Any

from asgi_audit._types import Scope


def route_of(scope: Scope) -> str | None:
    """The template of the route that was taken, as `/users/{id}`."""
    try:
        template = scope.get("path_template")  # Litestar
        if template is None:
            template = _fastapi_template(scope.get("fastapi")) or _starlette_template(scope)
    except Exception:  # noqa: BLE001 - another framework's object, which may do anything when it is asked
        return None
    return template if isinstance(template, str) else None


def params_of(scope: Scope) -> dict[str, Any] | None:
    """The path parameters, as the framework has converted them."""
    params = scope.get("path_params")
    return params if isinstance(params, dict) and params else None


def _fastapi_template(state: object) -> str | None:
    """FastAPI keeps the whole template apart: that of the route itself lacks the prefixes of `include_router`."""
    context = state.get("effective_route_context") if isinstance(state, dict) else None
    return getattr(context, "path_format", None)


def _starlette_template(scope: Scope) -> str | None:
    route = scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None)
