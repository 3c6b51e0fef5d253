"""Promise 5 as a law: accepted = delivered + pending + declared lost, whatever happens to the sinks."""

from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from asgi_audit.delivery import Delivery, Losses, Mishaps, Outbox, Rejects
from asgi_audit.failures import Failures
from asgi_audit.journal import MemoryJournal
from asgi_audit.record import Kind, Record
from tests.delivery.faulty import PATIENCE, Faulty, Stubborn, failing, fine, hanging, rejecting, rejecting_some
from tests.samples import record

BEHAVIOURS = {
    "fine": fine,
    "failing": failing,
    "hanging": hanging,
    "rejecting": rejecting,
    "picky": rejecting_some("poison"),
}
NAMES = ("first", "second")


class NoRejects(Rejects):
    """Keeps in memory what is set aside."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str]] = []

    def set_aside(self, sink: str, record: Record, reason: str) -> None:
        self.kept.append((sink, record.id))

    path = None  # type: ignore[assignment]


class Accounting(RuleBasedStateMachine):
    """Puts records of any size into a small journal while its sinks break and recover."""

    @initialize()
    def begin(self) -> None:
        self.sinks = {name: Faulty(name=name) for name in NAMES}
        self.losses = Losses()
        self.rejects = NoRejects()
        self.put_ids: list[str] = []
        self.held: list[str] = []
        self.stubborn: list[Stubborn] = []
        self.own: list[Record] = []  # a loss record that finds no room is made anew
        self.outbox = Outbox(
            dict(self.sinks),
            MemoryJournal(max_bytes=2**14),
            Delivery(batch_size=7, linger=0.0, deadline=0.01, retry_first=0.0005, retry_most=0.001),
            Mishaps(Failures(), self.losses, self.rejects, str),
            self.make_own,
        )

    def make_own(self, kind: Kind, data: dict[str, object]) -> Record:
        self.own.append(record(kind=kind, action=f"trail.{kind}", data=data, request=None))
        return self.own[-1]

    @rule(sizes=st.lists(st.integers(0, 2000), min_size=1, max_size=20), poison=st.booleans())
    def put(self, sizes: list[int], poison: bool) -> None:
        for size in sizes:
            each = record(reason="x" * size, action="poison" if poison else "fine")
            self.put_ids.append(each.id)
            self.outbox.put(each)

    @rule(size=st.integers(0, 1000))
    def hold(self, size: int) -> None:
        """A provisional record that finds no room is no loss: the final one is to come."""
        each = record(reason="p" * size)
        self.held.append(each.id)
        try:
            self.outbox.hold(each)
        except Exception:  # noqa: BLE001 - the journal is full
            pass

    @precondition(lambda self: self.held)
    @rule(size=st.integers(0, 2000))
    def settle(self, size: int) -> None:
        each = record(id=self.held.pop(), reason="f" * size)
        self.put_ids.append(each.id)
        self.outbox.put(each)

    def release(self) -> None:
        for stubborn in self.stubborn:
            stubborn.released.set()

    @rule(name=st.sampled_from(NAMES), behaviour=st.sampled_from([*BEHAVIOURS, "stubborn"]))
    def switch(self, name: str, behaviour: str) -> None:
        if behaviour == "stubborn":
            self.stubborn.append(Stubborn())
            self.sinks[name].behave = self.stubborn[-1]
        else:
            self.sinks[name].behave = BEHAVIOURS[behaviour]

    @precondition(lambda self: not self.held and all(sink.behave is fine for sink in self.sinks.values()))
    @rule()
    def flush(self) -> None:
        """All is well, so all gets there."""
        self.release()
        self.outbox.flush(PATIENCE)
        assert all(sink.pending == 0 for sink in self.outbox.stats({}).sinks)

    @rule()
    def close(self) -> None:
        """The next record opens it again. A request that ends after it has its provisional record already."""
        self.release()
        self.outbox.close(0.01)

    @invariant()
    def adds_up(self) -> None:
        for counts in self.outbox.stats({}).sinks:
            assert counts.accepted == counts.delivered + counts.pending + counts.lost
            assert min(counts.delivered, counts.pending, counts.lost) >= 0
        for sink in self.sinks.values():
            assert sink.most_at_once <= 1

    def teardown(self) -> None:
        """All sinks recover: every record is in each sink exactly once, or counted by a loss record in the trail."""
        self.release()
        for sink in self.sinks.values():
            sink.behave = fine
        while self.held:
            self.settle(0)
        self.outbox.flush(PATIENCE)
        self.outbox.close(PATIENCE)
        stats = self.outbox.stats({})
        assert stats.undeclared == 0
        everything = {name: sink.kept.everything for name, sink in self.sinks.items()}
        for index, name in enumerate(NAMES):
            ids = Counter(each.id for each in everything[name])
            assert set(ids.values()) <= {1}
            mine = stats.sinks[index]
            assert mine.pending == 0
            assert mine.delivered == len(everything[name])
            assert mine.rejected == sum(sink == name for sink, _ in self.rejects.kept)
        # The primary lane gives nothing up, so the loss records in its sink tell of everything.
        said = [each.data or {} for each in everything["first"] if each.kind is Kind.LOSS]
        for_all = sum(data["records"] for data in said if "sink" not in data)
        for_second = sum(data["records"] for data in said if data.get("sink") == "second")
        assert stats.sinks[0].lost == for_all
        assert stats.sinks[1].lost == for_all + for_second
        stored = {each.id for each in everything["first"]}
        own_lost = sum(each.id not in stored for each in self.own if each.kind is not Kind.LOSS)
        assert sum(each not in stored for each in self.put_ids) + own_lost == for_all


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # threads are not so repeatable that shrinking would help
)
