"""What the application under test is to know; it reads it from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

_PREFIX = "ASGI_AUDIT_CRASH_"


class Orders(NamedTuple):
    """Where records go, where they wait (without a journal: in memory), and where handlers say that they have run."""

    sink: str
    journal: Path | None
    ran: Path

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """As `written` by the test."""
        sink, journal, ran = (environment[f"{_PREFIX}{name.upper()}"] for name in cls._fields)
        return cls(sink, Path(journal) if journal else None, Path(ran))

    def written(self) -> dict[str, str]:
        """As an environment, with this process's own."""
        return os.environ | {f"{_PREFIX}{name.upper()}": str(value or "") for name, value in self._asdict().items()}
