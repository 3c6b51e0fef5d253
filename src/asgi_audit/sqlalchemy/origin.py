"""The name that a log has in its checkpoints, and how often the log was begun anew.

audit.example/billing
audit.example/billing/restart-2-5f0c91d3      the second time; the digits tell it from any other second time
"""

import os
import re
from typing import Final, NamedTuple, Self

_ORIGIN: Final = re.compile(r"(.+)/restart-([1-9][0-9]{0,8})-[0-9a-f]{8}")


class Origin(NamedTuple):
    """What the first line of a checkpoint says."""

    log: str
    restarts: int

    @classmethod
    def parse(cls, origin: str) -> Self:
        """Any text is an origin."""
        match = _ORIGIN.fullmatch(origin)
        return cls(origin, 0) if match is None else cls(match[1], int(match[2]))

    def follows(self, other: Self) -> bool:
        """Whether it is the same log, begun anew since."""
        return self.log == other.log and self.restarts > other.restarts

    def anew(self) -> str:
        """The origin after the next restart."""
        return f"{self.log}/restart-{self.restarts + 1}-{os.urandom(4).hex()}"
