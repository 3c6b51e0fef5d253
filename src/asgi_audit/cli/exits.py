"""How a command ends: the exit codes, and the error that carries one."""

from enum import IntEnum

from asgi_audit.errors import AuditError


class Exit(IntEnum):
    """The exit codes, as `--help` and docs/cli.md list them."""

    OK = 0
    NOT_FOUND = 1
    UNRECORDED = 1  # coverage: a route that changes something
    USAGE = 2
    DATABASE = 3
    DEPENDENCY = 4
    NOT_RUN = 4  # verify and check: whatever kept them from a verdict
    INTERRUPTED = 130  # 128 + SIGINT, as a shell reports a command that Ctrl-C ended
    BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports a command whose reader went away


class CommandFailed(AuditError):  # noqa: N818 - what became of the command, not a fault in it
    """The command cannot do what was asked: one line with the remedy, and the exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
