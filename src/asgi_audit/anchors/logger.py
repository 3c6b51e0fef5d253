"""Checkpoints as log lines."""

import logging
from functools import partial
from typing import NoReturn

from asgi_audit.anchors.aside import aside
from asgi_audit.anchors.base import is_of, line_of
from asgi_audit.errors import ConfigurationError


class LoggerAnchor:
    """One line of JSON per checkpoint on a logger, at INFO, for logs that are shipped to another machine.

    Structured handlers find the checkpoint as the log record's `checkpoint`. Handlers may block: they run in a thread.
    The logging module keeps their errors to itself, so a checkpoint counts as kept when its line has been handed to a
    handler; a logger that would drop it is refused.
    """

    def __init__(self, name: str = "asgi_audit.checkpoints") -> None:
        self._logger = logging.getLogger(name)
        self._given: dict[str, str] = {}  # by origin, the last one last
        self.name = f"logger:{name}"

    async def publish(self, checkpoint: str) -> None:
        """Log it. Raises `OSError` if the logger is not enabled for INFO, or has no handler that takes it."""
        if not self._logger.isEnabledFor(logging.INFO):
            raise OSError(f"{self.name} is not enabled for INFO: set its level")
        if not _is_heard(self._logger):
            raise OSError(f"{self.name} has no handler that takes INFO: add one")
        await aside(partial(self._logger.info, "%s", line_of(checkpoint), extra={"checkpoint": checkpoint}))
        origin = checkpoint.partition("\n")[0]
        self._given.pop(origin, None)
        self._given[origin] = checkpoint

    async def newest(self, log: str) -> str | None:
        """The last that this object was given; what other processes have logged can't be read back."""
        return next((each for each in reversed(self._given.values()) if is_of(each, log)), None)

    def read(self) -> NoReturn:
        """Raise `ConfigurationError`: only whoever configured the logger knows where its lines are."""
        raise ConfigurationError("anchor", self.name, "a logger can't be read; give the file that it writes to")

    def __repr__(self) -> str:
        return f"LoggerAnchor({self._logger.name!r})"


def _is_heard(logger: logging.Logger) -> bool:
    """As `logging.Logger.hasHandlers`, but a handler that takes nothing, or nothing below a warning, doesn't count."""
    current: logging.Logger | None = logger
    while current is not None:
        if any(each.level <= logging.INFO and not isinstance(each, logging.NullHandler) for each in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False
