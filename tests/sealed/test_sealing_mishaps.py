"""What goes wrong while a trail is sealed is shown and logged, and disturbs no record on its way."""

import asyncio
import logging
import re

import pytest

from asgi_audit import AuditTrail
from asgi_audit.delivery import SealingRoutine, sealing, worker
from asgi_audit.delivery.sealing import Sealed
from asgi_audit.failures import Failures
from asgi_audit.sealing import Seal
from asgi_audit.signing import SigningKey
from asgi_audit.sqlalchemy import upgrade_database
from tests.delivery.faulty import FAST
from tests.sealed.tables import change, roll_back, sound
from tests.sealed.told import PATIENCE, ToldAnchor

KEY = SigningKey.generate("audit.example/app")


@pytest.fixture
def anchor() -> ToldAnchor:
    """The trail's."""
    return ToldAnchor()


@pytest.fixture
def trail(url: str, anchor: ToldAnchor) -> AuditTrail:
    """One that is sealed without pause, in a database that is ready for it."""
    asyncio.run(upgrade_database(url))
    return AuditTrail(url, delivery=FAST, journal=None, seal=Seal(KEY, anchors=[anchor], every=0.001))


def test_a_sealer_that_fails_is_shown_in_words_and_said_once(
    url: str, anchor: ToldAnchor, trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has taken its table away: every pass fails, and every record is delivered."""
    asyncio.run(change(url, "ALTER TABLE audit_leaves RENAME TO elsewhere"))
    for number in range(3):
        trail.event(str(number))
        trail.flush(PATIENCE)
        anchor.wait_for_passes(2)
    kind = f"sealing {trail.stats().sinks[0].name} failed"
    assert trail.stats().failures[kind] >= 5
    health = trail.health()
    assert health.status == "degraded"
    assert any(problem.startswith(f"{kind}: ") for problem in health.problems)
    assert caplog.text.count(kind) == 1
    asyncio.run(change(url, "ALTER TABLE elsewhere RENAME TO audit_leaves"))
    anchor.wait(lambda: anchor.size == 4)
    trail.close(PATIENCE)
    assert anchor.size == len(asyncio.run(sound(url)).leaves) == 5


def test_a_refusal_is_said_in_its_own_words(
    url: str, anchor: ToldAnchor, trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    """It names what is known, what there is and what to do; the records go on being stored."""
    trail.event("one")
    anchor.wait(lambda: anchor.size == 2)
    trail.close(PATIENCE)
    asyncio.run(roll_back(url, 1))
    trail.event("two")
    anchor.wait_for_passes(2)
    trail.close(PATIENCE)
    assert caplog.text.count("failed: SealRefused") == 1
    assert "knows 3 sealed records" in caplog.text or "this sealer knows 3 sealed records" in caplog.text
    assert "if a backup was restored: asgi-audit seal --restart --reason" in caplog.text
    assert trail.stats().sinks[0].pending == 0
    assert len(asyncio.run(sound(url)).leaves) == 1


def test_an_anchor_that_fails_is_shown_and_catches_up(
    url: str, anchor: ToldAnchor, trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    """Its trouble is said in words; what it misses meanwhile is sealed."""
    anchor.error = OSError("no room")
    trail.event("one")
    anchor.wait_for_passes(3)
    assert any(problem.startswith("an anchor failed: ") for problem in trail.health().problems)
    assert (
        len(re.findall("an anchor failed: told (can't be read|did not take the checkpoint): no room", caplog.text)) == 1
    )
    anchor.error = None
    anchor.wait(lambda: anchor.size == 2)
    trail.close(PATIENCE)
    assert len(asyncio.run(sound(url)).leaves) == 3


def test_an_anchor_that_hangs_delays_neither_delivery_nor_closing(
    url: str, anchor: ToldAnchor, trail: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush does not ask for it, a close waits for it no longer than it may, and the trail can be opened again."""
    monkeypatch.setattr(worker, "_LAST_PASS", 0.05)
    anchor.hanging = True
    for number in range(2):
        trail.event(str(number))
        anchor.wait_for_passes(1)
        trail.flush(PATIENCE)
        assert trail.stats().sinks[0].pending == 0
        trail.close(PATIENCE)
        assert trail._outbox._worker is None
    anchor.hanging = False
    trail.event("2")
    anchor.wait(lambda: anchor.size >= 8)
    trail.close(PATIENCE)
    assert len(asyncio.run(sound(url)).leaves) == anchor.size


def test_a_close_in_a_hurry_does_not_wait_for_the_last_pass(url: str, anchor: ToldAnchor, trail: AuditTrail) -> None:
    """When its time is over the pass is cancelled, and the thread has ended: what comes next starts another."""
    anchor.hanging = True
    trail.event("one")
    anchor.wait_for_passes(1)
    trail.flush(PATIENCE)
    trail.close(0.05)
    assert trail._outbox._worker is None
    trail.event("two")
    trail.flush(PATIENCE)
    anchor.hanging = False
    trail.close(PATIENCE)
    assert anchor.size == len(asyncio.run(sound(url)).leaves) == 6


class FakeSealer:
    """Says what it is told to, in turn; the last of it in the pass after the end."""

    name = "fake"

    def __init__(self, *answers: Sealed | Exception | None) -> None:
        self.answers = list(answers)
        self.end = asyncio.Event()

    async def seal(self) -> Sealed:
        answer = self.answers.pop(0)
        if len(self.answers) == 1:
            self.end.set()
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


def run(sealer: FakeSealer) -> Failures:
    """Let the routine go on until the answers have come to an end."""
    failures = Failures()
    asyncio.run(SealingRoutine(sealer, 0.001, failures).run(sealer.end))
    return failures


def test_giving_way_is_said_when_it_begins(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every pass: where several processes seal one database it is nothing to worry about."""
    caplog.set_level(logging.INFO)
    won, gave_way = Sealed(0, 0, None, False, []), Sealed(0, 0, None, True, [])
    assert run(FakeSealer(won, gave_way, gave_way, gave_way, won, gave_way, won)).counts() == {}
    said = "audit trail fake: another sealer is at work; this one gives way"
    assert [record.getMessage() for record in caplog.records] == [said] * 2


def test_a_pass_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A server may say nothing for ever. What was sealed by then stays sealed, and the next pass goes on from there."""
    monkeypatch.setattr(sealing, "_LONGEST_PASS", 0.01)
    done = Sealed(1, 1, None, False, [])
    assert run(FakeSealer(None, done, None, done)).counts() == {"sealing fake failed": 2}
    assert "not done within 0.01 s" in caplog.text


def test_what_a_database_says_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may quote what is stored. What kind of error it was, and where, is enough to look for it."""
    assert run(FakeSealer(*[RuntimeError("canary")] * 2)).counts() == {"sealing fake failed": 2}
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text
