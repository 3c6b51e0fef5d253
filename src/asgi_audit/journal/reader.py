"""One lane's place in a queue, counted in records."""

from asgi_audit.journal.base import Progress


class Reader:
    """What lies between `acknowledged` and `handed` is on its way to the sink."""

    __slots__ = ("acknowledged", "given_up", "handed")

    def __init__(self, acknowledged: int = 0) -> None:
        self.acknowledged = self.handed = acknowledged
        self.given_up = 0

    def skip(self, first: int) -> None:
        """Nothing is on its way: what is no longer there, as it stood before `first`, is given up."""
        if self.acknowledged < first:
            self.given_up += first - self.acknowledged
            self.acknowledged = first
        self.handed = self.acknowledged

    def acknowledge(self, position: int, first: int) -> None:
        """All before `position` is stored; the queue begins with `first` now."""
        self.acknowledged = max(self.acknowledged, position)
        self.skip(first)

    def progress(self, *, first: int, position: int, readable: int, held: int) -> Progress:
        """As the lane's user sees it."""
        return Progress(
            position=position,
            acknowledged=self.acknowledged,
            delivered=self.acknowledged - self.given_up,
            given_up=self.given_up + max(0, first - self.handed),  # behind what is on its way
            held=held,
            readable=readable,
        )
