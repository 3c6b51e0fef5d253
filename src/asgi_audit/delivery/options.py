"""How records are delivered: the few numbers that a sink's owner may want to change."""

from pathlib import Path

import msgspec

from asgi_audit.errors import ConfigurationError


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Options of delivery, the same for every sink of a trail. Times in seconds."""

    #: Records handed to a sink at a time, at most. A thousand make a transaction's fixed cost vanish.
    batch_size: int = 1000
    #: How long to gather a batch after its first record: a trail's reader sees records this much later.
    linger: float = 0.05
    #: How long a sink may take over a batch; after that the attempt has failed and is cancelled.
    deadline: float = 30.0
    #: The longest pause between attempts; the first is `retry_first`, then they double.
    retry_most: float = 30.0
    retry_first: float = 0.1
    #: Where records go that a sink will never accept; by default beside the SQLite file, else in the state directory.
    rejected: Path | str | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigurationError("batch_size", self.batch_size, "give at least 1")
        for name in ("deadline", "retry_first", "retry_most"):
            if not getattr(self, name) > 0:
                raise ConfigurationError(name, getattr(self, name), "give a time above 0, in seconds")
        if self.retry_most < self.retry_first:
            raise ConfigurationError("retry_most", self.retry_most, f"give at least retry_first={self.retry_first}")
        if not self.linger >= 0:
            raise ConfigurationError("linger", self.linger, "give 0 or more seconds")
