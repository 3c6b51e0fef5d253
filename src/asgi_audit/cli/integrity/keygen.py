"""`asgi-audit keygen`: the key that signs checkpoints, and its public half for those who verify them."""

import argparse
import secrets
from shlex import quote

from asgi_audit.cli.exits import Exit
from asgi_audit.signing import SigningKey


def run(arguments: argparse.Namespace) -> int:
    """Make both files, and say what to do with each."""
    file: str = arguments.out
    name = f"asgi-audit/{secrets.token_hex(4)}" if arguments.name is None else arguments.name
    key = SigningKey.generate(name)
    key.save(file)
    print(f"Made {file} and {file}.pub, the key and its public half:")
    print(key.verifier)
    print(
        f"Keep {file} where only the sealer can read it (asgi-audit seal URL --key {quote(file)} --anchor …); "
        f"give {file}.pub to whoever verifies."
    )
    return Exit.OK
