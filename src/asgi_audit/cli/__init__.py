"""The command `asgi-audit`: reads a trail, seals and verifies it, explains a policy, looks after journals."""

from asgi_audit.cli.program import main

__all__ = ["main"]
