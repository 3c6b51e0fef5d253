"""The application that a verb is given as `module:attribute`: its policy, and the framework that it is made with."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from asgi_audit._types import Receive, Scope, Send
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.middleware import AuditMiddleware
from asgi_audit.policy import Policy
from asgi_audit.trail import AuditTrail

_REMEDY: Final = "name an application under AuditMiddleware, an AuditTrail or a Policy, as in main:app"
#: The class of an application by the top of its module, as each adapter knows it.
_CLASSES: Final = {
    "blacksheep": "Application",
    "django": "ASGIHandler",
    "falcon": "App",
    "fastapi": "FastAPI",
    "litestar": "Litestar",
    "quart": "Quart",
    "sanic": "Sanic",
    "starlette": "Starlette",
}
_INNER: Final = ("app", "asgi_handler", "asgi_app")  # where a layer keeps the next one; Litestar, Quart


def load(name: str) -> object:
    """What `module:attribute` names."""
    module_name, _, attributes = name.partition(":")
    if not module_name or not attributes:
        raise CommandFailed(f"{name}: {_REMEDY}", Exit.USAGE)
    sys.path.insert(0, str(Path.cwd()))  # as servers do, so that `main:app` is the file in this directory
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:  # whatever the application's own modules may raise
        reason = f"{type(error).__name__}: {error}"
        raise CommandFailed(f"{name}: can't import {module_name}: {reason}", Exit.USAGE) from error
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise CommandFailed(f"{name}: {module_name} has no {attributes}; {_REMEDY}", Exit.USAGE) from None
    return found


def policy_of(found: object, name: str) -> Policy:
    """The policy that `found` is, has, or has among its layers; the outermost counts, as nested layers record once."""
    for layer in _layers(found):
        match layer:
            case Policy():
                return layer
            case AuditTrail():
                return layer.policy
            case AuditMiddleware():
                return layer.trail.policy
        for middleware in getattr(layer, "user_middleware", ()):  # Starlette and FastAPI, which build them later
            if middleware.cls is AuditMiddleware:
                return AuditMiddleware(_no_app, *middleware.args, **middleware.kwargs).trail.policy
    raise CommandFailed(f"{name} has no audit policy; {_REMEDY}", Exit.USAGE)


def framework_of(found: object, name: str) -> tuple[ModuleType, object]:
    """The adapter of the framework that `found`, or one of its layers, is made with; and that layer."""
    for layer in _layers(found):
        for cls in type(layer).__mro__:
            framework = cls.__module__.partition(".")[0]
            if _CLASSES.get(framework) == cls.__name__:
                return importlib.import_module(f"asgi_audit.contrib.{framework}"), layer
    known = ", ".join(_CLASSES)
    raise CommandFailed(f"{name}: no application of a framework whose routes are known ({known})", Exit.USAGE)


def _layers(found: object) -> Iterator[object]:
    """The application and what it stands around, from the outermost."""
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        build = getattr(found, "__dict__", {}).get("build_middleware_stack")  # of Starlette's own, by install()
        inner = (getattr(found, each, None) for each in _INNER)
        found = next((each for each in inner if each is not None), None) if build is None else build()


async def _no_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands where the application will be: only the policy around it is looked at."""
