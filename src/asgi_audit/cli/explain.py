"""`asgi-audit explain`: which rule of an application's policy decides a request."""

import argparse
import importlib
import sys
from pathlib import Path

from asgi_audit._types import Receive, Scope, Send
from asgi_audit.cli.exits import CommandFailed, Exit
from asgi_audit.middleware import AuditMiddleware
from asgi_audit.policy import Policy
from asgi_audit.trail import AuditTrail

_REMEDY = "name an application under AuditMiddleware, an AuditTrail or a Policy, as in --app main:app"


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    if arguments.app is None:
        print("The default policy (--app MODULE:ATTR explains your own):")
    policy = Policy() if arguments.app is None else find_policy(_load(arguments.app), arguments.app)
    print(policy.explain(arguments.method, arguments.path))
    return Exit.OK


def find_policy(found: object, name: str) -> Policy:
    """The policy that `found` is, has, or has among its layers; the outermost counts, as nested layers record once."""
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        match found:
            case Policy():
                return found
            case AuditTrail():
                return found.policy
            case AuditMiddleware():
                return found.trail.policy
        for layer in getattr(found, "user_middleware", ()):  # Starlette and FastAPI, which build their layers later
            if layer.cls is AuditMiddleware:
                return AuditMiddleware(_no_app, *layer.args, **layer.kwargs).trail.policy
        found = getattr(found, "app", None)
    raise CommandFailed(f"{name} has no audit policy; {_REMEDY}", Exit.USAGE)


async def _no_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands where the application will be: only the policy around it is looked at."""


def _load(name: str) -> object:
    module_name, _, attributes = name.partition(":")
    if not module_name or not attributes:
        raise CommandFailed(f"--app {name}: {_REMEDY}", Exit.USAGE)
    sys.path.insert(0, str(Path.cwd()))  # as servers do, so that `main:app` is the file in this directory
    try:
        found: object = importlib.import_module(module_name)
    except Exception as error:  # whatever the application's own modules may raise
        reason = f"{type(error).__name__}: {error}"
        raise CommandFailed(f"--app {name}: can't import {module_name}: {reason}", Exit.USAGE) from error
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise CommandFailed(f"--app {name}: {module_name} has no {attributes}; {_REMEDY}", Exit.USAGE) from None
    return found
