"""How records get from the journal to the sinks."""

from asgi_audit.delivery.losses import Losses
from asgi_audit.delivery.mishaps import Mishaps
from asgi_audit.delivery.options import Delivery
from asgi_audit.delivery.outbox import Outbox
from asgi_audit.delivery.rejects import Rejects, default_path
from asgi_audit.delivery.sealing import Sealing, SealingRoutine

__all__ = ["Delivery", "Losses", "Mishaps", "Outbox", "Rejects", "Sealing", "SealingRoutine", "default_path"]
