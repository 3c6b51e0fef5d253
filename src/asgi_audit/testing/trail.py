"""A trail for tests: what it has recorded is there at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Unpack, overload

from asgi_audit.client import TrustedProxies
from asgi_audit.errors import ConfigurationError
from asgi_audit.identity import Identify, TenantOf
from asgi_audit.journal import MemoryJournal
from asgi_audit.policy import Policy
from asgi_audit.record import APPLICATION_KINDS, Record
from asgi_audit.redaction import Redactor
from asgi_audit.testing.difference import Compared, difference
from asgi_audit.testing.expectation import Expected, check_names, compare
from asgi_audit.testing.sinks import MemorySink
from asgi_audit.trail import AuditTrail


class _Tape(MemoryJournal):
    """Keeps what passes through it. A provisional record is there too, until the final one takes its place."""

    durable = True  # as far as tests go, so that requests with `required` rules are served

    def renew(self) -> None:
        super().renew()
        self.kept: dict[str, Record] = {}

    def append(self, record: Record, intent: str | None = None) -> None:
        self.kept[record.id] = record
        super().append(record, intent)

    def hold(self, record: Record, intent: str | None = None) -> None:
        self.kept[record.id] = record
        super().hold(record, intent)


class MemoryTrail(AuditTrail):
    """A trail in memory. A test sees a record in it as soon as the client sees the end of the response.

    It takes what any trail takes, except for sinks and what belongs to them.
    """

    def __init__(
        self,
        *,
        policy: Policy | None = None,
        redact: Redactor | None = None,
        identify: Identify | None = None,
        tenant: TenantOf | None = None,
        trusted_proxies: Iterable[str] | TrustedProxies = (),
        service: str | None = None,
    ) -> None:
        self._tape = _Tape()
        super().__init__(
            MemorySink(),
            policy=policy,
            redact=redact,
            identify=identify,
            tenant=tenant,
            trusted_proxies=trusted_proxies,
            journal=self._tape,
            service=service,
        )

    @property
    def records(self) -> list[Record]:
        """The records of requests, connections and events, in the order in which they were made."""
        return [record for record in self.everything if record.kind in APPLICATION_KINDS]

    @property
    def everything(self) -> list[Record]:
        """`records`, and those of the trail's own doings among them."""
        return list(self._tape.kept.values())

    def clear(self) -> None:
        """Forget the records so far: a test's preparations, for instance."""
        self._tape.kept.clear()

    @overload
    def assert_audited(self, *, times: None = None, **expected: Unpack[Expected]) -> Record: ...

    @overload
    def assert_audited(self, *, times: int, **expected: Unpack[Expected]) -> list[Record]: ...

    def assert_audited(self, *, times: int | None = None, **expected: Unpack[Expected]) -> Record | list[Record]:
        """Check that exactly one record is as expected, and return it; with `times=`, so many, as a list.

        Actors and targets may be given by their ids alone, and `data=` by some of its keys; the target is among the
        record's targets. Raises `AssertionError`, which shows the nearest records field by field.
        """
        __tracebackhide__ = True  # pytest shows the line in the test
        check_names(expected)
        compared = [
            Compared(number, record, compare(record, expected)) for number, record in enumerate(self.records, 1)
        ]
        found = [each.record for each in compared if each.equal]
        if len(found) != (1 if times is None else times):
            raise AssertionError(difference(compared, 1 if times is None else times))
        return found[0] if times is None else found

    @contextmanager
    def instead_of(self, trail: AuditTrail) -> Iterator[None]:
        """Within the block, what `trail` records comes here, and neither its journal nor its sinks see it.

        It records as always otherwise: by its own policy, with its own redaction.
        """
        if not isinstance(trail, AuditTrail):
            raise ConfigurationError("trail", trail, "give the trail; of an AuditMiddleware it is `.trail`")
        own = trail._journal, trail._settling, trail._losses, trail._outbox
        trail._journal, trail._settling, trail._losses, trail._outbox = (
            self._journal,
            self._settling,
            self._losses,
            self._outbox,
        )
        try:
            yield
        finally:
            trail._journal, trail._settling, trail._losses, trail._outbox = own
