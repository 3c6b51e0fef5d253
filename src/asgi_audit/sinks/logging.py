"""Records as log lines."""

import logging
from collections.abc import Sequence

import msgspec

from asgi_audit.record import Kind, Outcome, Record, encode
from asgi_audit.sinks.thread import OwnThread

_LEVELS = {
    Outcome.DENIED: logging.WARNING,
    Outcome.FAILED: logging.WARNING,
    Outcome.DISCONNECTED: logging.WARNING,
    Outcome.CANCELLED: logging.WARNING,
    Outcome.NO_RESPONSE: logging.ERROR,
    Outcome.ERROR: logging.ERROR,
    Outcome.REFUSED: logging.ERROR,
    Outcome.INTERRUPTED: logging.ERROR,
}


class LoggingSink:
    """One line of JSON per record on a logger, its level by the outcome.

    Structured handlers find the record as the log record's `audit`.

    Handlers may block: they run in a thread of the sink's own. The logging module keeps their errors to itself, so a
    record is delivered when its line has been handed to the logger.
    """

    def __init__(self, logger: str | logging.Logger = "asgi_audit.records") -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self.name = f"logging:{self._logger.name}"

    async def open(self) -> None:
        """Start the thread."""
        self._thread = OwnThread()

    async def write(self, records: Sequence[Record]) -> None:
        """Log the batch."""
        await self._thread.run(lambda: self._log(records))

    async def close(self) -> None:
        """End the thread."""
        self._thread.close()

    def _log(self, records: Sequence[Record]) -> None:
        for record in records:
            level = level_of(record)
            if self._logger.isEnabledFor(level):
                self._logger.log(level, "%s", encode(record).decode(), extra={"audit": msgspec.to_builtins(record)})

    def __repr__(self) -> str:
        return f"LoggingSink({self._logger.name!r})"


def level_of(record: Record) -> int:
    """ERROR for a loss and for what broke off, WARNING for what was turned down, else INFO."""
    if record.kind is Kind.LOSS:
        return logging.ERROR
    return logging.INFO if record.outcome is None else _LEVELS.get(record.outcome, logging.INFO)
