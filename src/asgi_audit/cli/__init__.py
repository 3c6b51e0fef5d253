"""The command `asgi-audit`: reads a trail, explains a policy, upgrades a schema, shows a demo."""

from asgi_audit.cli.program import main

__all__ = ["main"]
