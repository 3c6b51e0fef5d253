"""What can go wrong; the type says whose fault it is, the attributes say what."""


class AuditError(Exception):
    """The root of every error that this package raises."""


class ConfigurationError(AuditError, ValueError):
    """An argument that cannot work, found at construction: which one, what it was, and what to write instead."""

    def __init__(self, argument: str, value: object, remedy: str) -> None:
        super().__init__(f"{argument}={value!r}: {remedy}")
        self.argument = argument
        self.value = value
        self.remedy = remedy


class MissingDependencyError(AuditError, ImportError):
    """A feature was asked for whose package is not installed; the message is the line that installs it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs a package that is not installed: pip install 'asgi-audit[{extra}]'")
        self.feature = feature
        self.extra = extra


class RecordRejected(AuditError):  # noqa: N818 - an answer of a sink about a record, not a fault of the sink
    """A sink's answer that a record will never be accepted, however often it is sent (a data error)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class JournalFull(AuditError):  # noqa: N818 - a state of the journal that its caller must handle
    """The journal has no room: the sinks are too far behind. The record was not taken."""


class FlushTimeout(AuditError, TimeoutError):  # noqa: N818 - named as what it is
    """Not everything was delivered in time; it stays in the journal. `pending` counts records by sink."""

    def __init__(self, timeout: float, pending: dict[str, int]) -> None:
        waiting = ", ".join(f"{count} for {sink}" for sink, count in pending.items())
        super().__init__(f"after {timeout:g} s there are records pending: {waiting}")
        self.pending = pending
