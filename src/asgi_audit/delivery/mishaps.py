"""Where everything goes that did not go as it should."""

from typing import NamedTuple

from asgi_audit.delivery.losses import Losses
from asgi_audit.delivery.rejects import Rejects
from asgi_audit.failures import Failures


class Mishaps(NamedTuple):
    """Failures are counted and logged, lost records declared, rejected ones set aside."""

    failures: Failures
    losses: Losses
    rejects: Rejects
