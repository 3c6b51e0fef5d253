"""Records that a sink will never accept."""

import json
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from asgi_audit import AuditTrail, Delivery, RecordRejected
from asgi_audit.delivery import default_path
from asgi_audit.delivery.rejects import stub
from asgi_audit.record import Kind, Record, decode
from asgi_audit.testing import MemorySink
from tests.delivery.faulty import FAST, PATIENCE, Faulty, failing, fine, rejecting, rejecting_some
from tests.samples import record

QUIET = 0.2  # seconds to gather a batch; a flush does not wait for them


def gathering(path: Path) -> Delivery:
    """Everything that is recorded before the first flush comes as one batch."""
    return Delivery(linger=PATIENCE, deadline=PATIENCE, retry_first=0.001, retry_most=0.002, rejected=path)


@pytest.fixture
def rejected(tmp_path: Path) -> Path:
    """Where rejected records go; the directory is not there yet."""
    return tmp_path / "state" / "rejected.jsonl"


def set_aside(path: Path) -> list[dict[str, object]]:
    """What stands in the file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_rejected_record_is_set_aside_and_its_neighbours_are_stored(rejected: Path) -> None:
    """A stub takes its place, with its identity and the reason; the file has the whole record, for its owner alone."""
    sink = Faulty(rejecting_some("poison"))
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for number in range(10):
            trail.event("poison" if number == 6 else f"n{number}", reason="why")
        trail.flush(PATIENCE)
        stats = trail.stats().sinks[0]
        assert (stats.rejected, stats.lost, stats.pending, stats.failed_attempts) == (1, 0, 0, 0)
        assert "faulty: 1 rejected" in " ".join(trail.health().problems)
    assert [action for action in sink.actions if action != "rejected"] == [f"n{n}" for n in range(10) if n != 6]
    stored = next(each for each in sink.kept.records if each.action == "rejected")
    (entry,) = set_aside(rejected)
    original = decode(json.dumps(entry["record"]))
    assert (entry["sink"], entry["reason"]) == ("faulty", "no such action")
    assert (original.action, original.reason) == ("poison", "why")
    assert stored == stub(original, "no such action")
    assert sorted(each.seq or 0 for each in sink.kept.everything) == list(range(12))
    assert stat.S_IMODE(rejected.stat().st_mode) == 0o600
    assert stat.S_IMODE(rejected.parent.stat().st_mode) == 0o700


def test_a_rejected_record_alone_in_its_batch_is_set_aside(rejected: Path) -> None:
    """There is no neighbour to compare with, but the stub passes."""
    sink = Faulty(rejecting_some("poison"))
    with AuditTrail(sink, delivery=Delivery(batch_size=1, linger=0.0, rejected=rejected)) as trail:
        trail.event("poison")
        trail.event("good")
    assert sink.actions == ["rejected", "good"]
    assert len(set_aside(rejected)) == 1


def test_a_sink_that_rejects_everything_is_down(rejected: Path) -> None:
    """If not even stubs pass, it is not the records: nothing is set aside, and all is delivered when it is up again."""
    sink = Faulty(rejecting)
    trail = AuditTrail(sink, delivery=msgspec.structs.replace(FAST, rejected=rejected))
    for number in range(5):
        trail.event(f"n{number}")
    sink.wait_for_batches(40)
    assert "RecordRejected: never" in trail.health().problems[0]
    assert trail.stats().sinks[0].rejected == 0
    assert not rejected.exists()
    sink.behave = fine
    trail.close(PATIENCE)
    assert sorted(sink.actions) == [f"n{number}" for number in range(5)]  # it may come up in the middle of a search


def test_a_batch_of_nothing_but_poison_blocks_nobody(rejected: Path) -> None:
    """If stubs pass, all of it is set aside, and the next batch follows."""
    sink = Faulty(rejecting_some("poison", "trail.open"))
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for _ in range(20):
            trail.event("poison")
        trail.flush(PATIENCE)
        trail.event("good")
    assert sink.actions == ["rejected"] * 20 + ["good"]
    assert len(set_aside(rejected)) == 21
    assert trail.stats().sinks[0].rejected == 21


def test_a_record_whose_place_is_taken_is_declared_lost(rejected: Path) -> None:
    """Where neither record nor stub is accepted, but their neighbours are, a loss record says so; the rest goes on."""

    async def taken(records: Sequence[Record]) -> None:
        if any(each.seq == 3 for each in records):
            raise RecordRejected("another record already has this writer and seq")

    sink = Faulty(taken)
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for number in range(5):
            trail.event(f"n{number}")
        trail.flush(PATIENCE)
    assert sink.actions == ["n0", "n1", "n3", "n4"]
    (loss,) = [each.data for each in sink.kept.everything if each.kind is Kind.LOSS]
    assert loss == {"records": 1, "reason": "rejected by the sink, and so was a stub in its place", "sink": "faulty"}
    assert len(set_aside(rejected)) == 1


def test_a_failure_among_the_stubs_sets_nothing_aside_twice(rejected: Path) -> None:
    """The batch is tried again: what was set aside is remembered, and the rest follows."""
    stubs = 0

    async def once(records: Sequence[Record]) -> None:
        nonlocal stubs
        if any(each.action == "poison" for each in records):
            raise RecordRejected("no such action")
        if [each.action for each in records] == ["rejected"]:
            stubs += 1
            if stubs == 2:
                raise ConnectionError

    sink = Faulty(once)
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for action in ("poison", "a", "poison", "b", "poison"):
            trail.event(action)
        trail.flush(PATIENCE)
    assert len(set_aside(rejected)) == 3
    assert trail.stats().sinks[0].rejected == 3
    assert sorted(sink.actions) == ["a", "b", "rejected", "rejected", "rejected"]


def test_a_stub_that_is_turned_down_later_is_not_set_aside(rejected: Path) -> None:
    """A sink rejects a stub that it has accepted before: the original is on file already."""
    calls = 0

    async def fickle(records: Sequence[Record]) -> None:
        nonlocal calls
        actions = [each.action for each in records]
        if "poison" in actions:
            raise RecordRejected("no such action")
        if actions == ["rejected"]:
            calls += 1
            if calls == 2:
                raise ConnectionError
        elif "rejected" in actions and calls == 2:
            raise RecordRejected("nor this one")

    sink = Faulty(fickle)
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for action in ("a", "poison", "b", "poison"):
            trail.event(action)
        trail.flush(PATIENCE)
    assert len(set_aside(rejected)) == 2
    assert trail.stats().sinks[0].rejected == 2


def test_a_stub_that_is_rejected_for_good_is_declared_lost(rejected: Path) -> None:
    """Stored in the first attempt, refused in the second: the original is on file once, and the loss is declared."""
    stubs = 0
    broken = False

    async def turning(records: Sequence[Record]) -> None:
        nonlocal stubs, broken
        actions = [each.action for each in records]
        if "poison" in actions or (broken and "rejected" in actions):
            raise RecordRejected("no such action")
        if actions == ["rejected"]:
            stubs += 1
            if stubs == 2:
                broken = True
                raise ConnectionError

    sink = Faulty(turning)
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        for action in ("a", "poison", "b", "poison", "c"):
            trail.event(action)
        trail.flush(PATIENCE)
    assert len(set_aside(rejected)) == trail.stats().sinks[0].rejected == 2
    assert sum((each.data or {})["records"] for each in sink.kept.everything if each.kind is Kind.LOSS) == 2


def test_a_file_that_cannot_be_written_is_a_loss(tmp_path: Path) -> None:
    """The stub is stored, the rest of the record is gone: a loss record says so, and names the sink."""
    (tmp_path / "file").touch()
    sink, other = Faulty(rejecting_some("poison")), MemorySink()
    with AuditTrail(sink, other, delivery=gathering(tmp_path / "file" / "rejected.jsonl")) as trail:
        trail.event("poison")
        trail.event("good")
        trail.flush(PATIENCE)
        assert any("could not be set aside" in problem for problem in trail.health().problems)
    assert sink.actions == ["good", "rejected"]
    for kept in (sink.kept, other):
        (loss,) = [each.data for each in kept.everything if each.kind is Kind.LOSS]
        assert loss == {
            "records": 1,
            "reason": "rejected by the sink, and the file for such records can't be written",
            "sink": "faulty",
        }


def test_a_reason_cannot_poison_the_stub(rejected: Path) -> None:
    """A sink may quote what it did not like: secrets are masked, and NUL and surrogates escaped."""

    async def quoting(records: Sequence[Record]) -> None:
        if any(each.action == "poison" for each in records):
            raise RecordRejected("bad value: \x00\ud800 in password=hunter2-canary")
        assert "\x00" not in str(records)

    sink = Faulty(quoting)
    with AuditTrail(sink, delivery=gathering(rejected)) as trail:
        trail.event("poison")
    (entry,) = set_aside(rejected)
    assert str(entry["reason"]).startswith(r"bad value: \x00\uD800 in password=")
    assert "hunter2-canary" not in rejected.read_text()


def test_an_outage_while_searching_is_an_outage(rejected: Path) -> None:
    """A connection that breaks while the culprit is looked for: everything is tried again."""

    async def breaking(records: Sequence[Record]) -> None:
        if len(records) > 1:
            raise RecordRejected("somebody")
        await failing(records)

    sink = Faulty(breaking)
    trail = AuditTrail(sink, delivery=msgspec.structs.replace(FAST, rejected=rejected))
    trail.event("a")
    trail.event("b")
    sink.wait_for_batches(6)
    assert not rejected.exists()
    sink.behave = fine
    trail.close(PATIENCE)
    assert sink.actions == ["a", "b"]


def test_a_stub_tells_nothing_from_outside() -> None:
    """Identity, times and outcome stay; who, what and where from are dropped, for one of them was the poison."""
    original = record(reason="x", data={"a": 1})
    left = msgspec.to_builtins(stub(original, "why"))
    assert set(left) == {
        *("v", "id", "writer", "seq", "kind", "time", "duration_us", "action", "outcome", "salts", "data"),
    }
    assert left["data"] == {"rejected": "why"}
    assert left["id"] == original.id


@pytest.mark.parametrize(
    ("primary", "path"),
    [
        ("sqlite:////var/lib/audit.db", "/var/lib/audit.db.rejected.jsonl"),
        ("sqlite:///:memory:", "/state/asgi-audit/default/rejected.jsonl"),
        ("sqlite:///file:x?mode=memory", "/state/asgi-audit/default/rejected.jsonl"),
        ("postgresql://db/audit", "/state/asgi-audit/default/rejected.jsonl"),
        ("memory", "/state/asgi-audit/default/rejected.jsonl"),
    ],
)
def test_the_file_stands_beside_the_database_or_in_the_state_directory(
    primary: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside an SQLite file; else where the XDG Base Directory specification puts state."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_path(primary, None) == Path(path)


def test_the_service_names_the_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its name is, it is one directory within the others."""
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_path("memory", "/team/billing\0") == Path("/state/asgi-audit/%2Fteam%2Fbilling%00/rejected.jsonl")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_path("memory", "billing") == Path("/home/ada/.local/state/asgi-audit/billing/rejected.jsonl")


def test_a_user_without_a_home_still_has_a_working_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs under any user id: constructing a trail must not fail there."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.chdir(tmp_path)
    assert default_path("memory", None) == tmp_path / "asgi-audit-rejected.jsonl"


def test_an_outage_that_ends_while_culprits_are_sought_sets_nothing_aside(rejected: Path) -> None:
    """A record is asked about once more before it gives way to a stub."""
    asked: list[str] = []

    async def once(records: Sequence[Record]) -> None:
        if "a" in [each.action for each in records] and not asked:
            asked.append("a")
            raise RecordRejected("not now")

    sink = Faulty(once)
    with AuditTrail(sink, delivery=Delivery(batch_size=1, linger=0.0, rejected=rejected)) as trail:
        trail.event("a")
    assert sink.actions == ["a"]
    assert not rejected.exists()
