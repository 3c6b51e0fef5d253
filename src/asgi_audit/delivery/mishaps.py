"""Where everything goes that did not go as it should."""

from collections.abc import Callable
from typing import NamedTuple

from asgi_audit.delivery.losses import Losses
from asgi_audit.delivery.rejects import Rejects
from asgi_audit.failures import Failures
from asgi_audit.record import Record


class Mishaps(NamedTuple):
    """Failures are counted and logged, lost records declared, rejected ones set aside."""

    failures: Failures
    losses: Losses
    rejects: Rejects
    #: What a sink says may hold credentials, or what a client has sent.
    redact: Callable[[str], str]

    def describe(self, error: BaseException) -> str:
        """An error in one line, without secrets."""
        try:
            said = str(error)
        except Exception:  # noqa: BLE001 - the sink's own exception class
            said = ""
        name = type(error).__name__
        return self.redact(f"{name}: {said}" if said else name)

    def set_aside(self, sink: str, record: Record, reason: str) -> None:
        """Keep a rejected record in a file; if that can't be written, it is lost."""
        try:
            self.rejects.set_aside(sink, record, reason)
        except OSError as error:
            self.losses.add("rejected by the sink, and the file for such records can't be written", sink=sink)
            self.failures.note(f"a rejected record could not be set aside in {self.rejects.path}", error)
        else:
            self.failures.note(f"sink {sink} rejected a record", detail=f"set aside in {self.rejects.path}")
