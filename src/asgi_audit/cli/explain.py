"""`asgi-audit explain`: which rule of an application's policy decides a request."""

import argparse

from asgi_audit.cli.application import load, policy_of
from asgi_audit.cli.exits import Exit
from asgi_audit.policy import Policy


def run(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    if arguments.app is None:
        print("The default policy (--app MODULE:ATTR explains your own):")
    policy = Policy() if arguments.app is None else policy_of(load(arguments.app), arguments.app)
    print(policy.explain(arguments.method, arguments.path))
    return Exit.OK
