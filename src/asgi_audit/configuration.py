"""What a trail is made of, checked before it is made: each error names the argument, its value and the remedy."""

import inspect
from types import UnionType

from asgi_audit.errors import ConfigurationError
from asgi_audit.journal import Journal
from asgi_audit.policy import Policy


def check(argument: str, value: object, kind: type | UnionType, remedy: str) -> None:
    """Raise unless the value is of that kind."""
    if not isinstance(value, kind):
        raise ConfigurationError(argument, value, f"give {remedy}")


def check_identify(identify: object) -> None:
    """Raise unless it is left out, or a function that answers at once."""
    if identify is not None and (not callable(identify) or inspect.iscoroutinefunction(identify)):
        raise ConfigurationError("identify", identify, "give a plain function of the scope; it can't be awaited")


def check_journal(journal: Journal, policy: Policy) -> None:
    """Raise unless it keeps what the policy promises."""
    for rule in policy.required:
        if not journal.durable:
            raise ConfigurationError(
                "policy",
                rule,
                "its requests must not happen unrecorded, and this journal does not outlive the process; "
                'give a directory, as in journal="/var/lib/app/audit"',
            )
