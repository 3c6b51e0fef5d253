"""What a trail is made of, checked before it is made: each error names the argument, its value and the remedy."""

import inspect
from types import UnionType

from asgi_audit.delivery import Delivery, Sealing
from asgi_audit.errors import ConfigurationError
from asgi_audit.journal import Journal
from asgi_audit.policy import Policy
from asgi_audit.redaction import Redactor

_KINDS: dict[str, tuple[type | UnionType, str]] = {
    "policy": (Policy, "a Policy, as in policy=Policy([*Policy.mutations])"),
    "redact": (Redactor, 'a Redactor, as in redact=Redactor(deny=["iban"])'),
    "delivery": (Delivery, "a Delivery, as in delivery=Delivery(linger=0.05)"),
    "seal": (Sealing | None, 'a Seal, as in seal=Seal("audit.key")'),
    "service": (str | None, 'a name, as in service="billing"'),
}


def check(**arguments: object) -> None:
    """Raise unless each is of its kind."""
    for argument, value in arguments.items():
        kind, remedy = _KINDS[argument]
        if not isinstance(value, kind):
            raise ConfigurationError(argument, value, f"give {remedy}")


def check_hooks(**hooks: object) -> None:
    """Raise unless each is left out, or a function that answers at once."""
    for argument, hook in hooks.items():
        if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
            raise ConfigurationError(argument, hook, "give a plain function of the scope; it can't be awaited")


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
